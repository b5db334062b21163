//! One question to the registry over HTTP, and its answer: within a time, and of a bounded size.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Response, Url};

use super::Fault;
use crate::settings::RegistrySettings;

/// A server that has not let us in by then does not answer.
const CONNECT: Duration = Duration::from_secs(2);
/// No schema is as long. Bytes.
const LONGEST_ANSWER: usize = 4 << 20;
const REDIRECTS: usize = 3;
const ACCEPTED: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// `schema_registry.url` is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "schema_registry.url (FABRIC_SCHEMA_REGISTRY_URL) cannot be used ({0}). It wants http://HOST:PORT or https://HOST, \
     with the path that stands before /schemas; leave it out to go without a schema registry"
)]
pub struct RegistryUrlError(String);

pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// That of the settings; one in the URL goes with it.
    login: Option<(String, String)>,
    /// As people are told, without secrets.
    pub place: Arc<str>,
    timeout: Duration,
}

impl Client {
    /// `None`: none is set.
    pub fn new(settings: &RegistrySettings) -> Result<Option<Self>, RegistryUrlError> {
        if settings.url.trim().is_empty() {
            return Ok(None);
        }
        let (base, open) = parts(settings)?;
        let login = (!settings.user.is_empty()).then(|| (settings.user.clone(), settings.password.clone()));
        let place = open.as_str().trim_end_matches('/').into();
        let http = reqwest::Client::builder()
            .user_agent(concat!("fabric/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(ACCEPTED))]))
            .connect_timeout(CONNECT.min(settings.timeout))
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
            .build()
            .map_err(|error| RegistryUrlError(in_words(&error)))?;
        Ok(Some(Self { http, base, login, place, timeout: settings.timeout }))
    }

    /// HTTP's status, and the body.
    pub async fn get(&self, path: &[&str]) -> Result<(u16, Vec<u8>), Fault> {
        let mut url = self.base.clone();
        // A name may hold a slash.
        url.path_segments_mut().expect("http has paths").pop_if_empty().extend(path);
        let mut request = self.http.get(url);
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let silent = |error: reqwest::Error| {
            let late = || format!("no answer within {} ms", self.timeout.as_millis());
            Fault::Silent(if error.is_timeout() { late() } else { in_words(&error) })
        };
        let response = request.send().await.map_err(silent)?;
        let status = response.status().as_u16();
        match body(response).await.map_err(silent)? {
            Some(body) => Ok((status, body)),
            None => Err(Fault::Unusable(format!("more than {LONGEST_ANSWER} bytes"))),
        }
    }
}

/// `None`: it is too long.
async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// What is asked, which may hold a login, and what people are told, which holds none.
fn parts(settings: &RegistrySettings) -> Result<(Url, Url), RegistryUrlError> {
    let url = Url::parse(settings.url.trim()).map_err(|error| RegistryUrlError(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(RegistryUrlError("it does not begin with http:// or https://".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(RegistryUrlError("it ends with a query or a fragment".into()));
    }
    let mut open = url.clone();
    // Neither is refused for http and https.
    open.set_username("").and_then(|()| open.set_password(None)).ok();
    Ok((if settings.user.is_empty() { url } else { open.clone() }, open))
}

/// The innermost reason: those around it repeat the address.
fn in_words(error: &reqwest::Error) -> String {
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(|inner| inner.source()) {
        innermost = Some(deeper);
    }
    let words = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    let words = words.split(" (os error").next().unwrap_or_default();
    words.strip_prefix("Connection").map_or_else(|| words.to_owned(), |rest| format!("connection{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn settings(url: &str, user: &str) -> RegistrySettings {
        let password = if user.is_empty() { "" } else { "own" };
        RegistrySettings {
            url: url.into(),
            user: user.into(),
            password: password.into(),
            ..Settings::default().schema_registry
        }
    }

    #[test]
    fn a_place_has_no_password_and_settings_of_their_own_go_before_the_url() {
        let client = Client::new(&settings("https://u%40x:p%2Fw@h:8081/api/", "")).unwrap().unwrap();
        assert_eq!(&*client.place, "https://h:8081/api");
        assert_eq!((client.base.username(), client.login), ("u%40x", None));
        let client = Client::new(&settings("https://u:p@h", "own")).unwrap().unwrap();
        assert_eq!((&*client.place, client.base.username()), ("https://h", ""));
        assert_eq!(client.login, Some(("own".into(), "own".into())));
        assert!(Client::new(&settings(" ", "u")).unwrap().is_none());
    }

    #[test]
    fn what_is_no_url_of_a_registry_is_refused() {
        for url in ["localhost:8081", "h", "redis://h", "http://h/?x=1", "http://"] {
            let refused = Client::new(&settings(url, "")).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|words| words.contains("FABRIC_SCHEMA_REGISTRY_URL")), "{url}");
        }
    }
}
