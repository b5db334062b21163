//! A registry that is away, slow, locked or something else: whoever asks hears why, soon, and never that an id is unknown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::registry::{NotYet, Registry};

use super::apicurio::Apicurio;
use super::front::Front;
use super::{registry, schema, settings, text, unique};
use crate::config::following::eventually;
use crate::proxy::Proxy;

async fn why(registry: &Registry, id: u32) -> String {
    match registry.schema(id).await {
        Err(not_yet @ NotYet::Registry(_)) => not_yet.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_registry_that_is_away_is_asked_now_and_then_only_and_found_again() {
    let wanted = schema(&unique("Away"));
    let id = Apicurio.register(&unique("away"), &wanted).await;
    let front = Front::of(Apicurio.url());
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), front.address(), Duration::ZERO).unwrap();
    let url = front.url().replace(&front.address().to_string(), &proxy.address().to_string());
    let registry = registry(&settings(&url), None);
    proxy.refuse();
    let expected = format!("the schema registry at {url} does not answer (connection refused). Is it running?");
    let began = Instant::now();
    for _ in 0..200 {
        let said = why(&registry, id).await;
        assert!(said.starts_with(&expected), "{said}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(registry.note().is_some_and(|note| note.starts_with(&expected)));
    proxy.heal().unwrap();
    eventually("it is found", async || registry.schema(id).await.is_ok()).await;
    assert_eq!((text(&registry, id).await, registry.note()), (wanted.to_string(), None));
    assert_eq!(front.asked_for(id), 1);
}

#[tokio::test]
async fn a_registry_that_accepts_and_says_nothing_keeps_nobody_longer_than_its_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(&format!("http://{}", silent.local_addr().unwrap()));
    settings.schema_registry.timeout = Duration::from_millis(200);
    let registry = registry(&settings, None);
    let began = Instant::now();
    for _ in 0..50 {
        assert!(why(&registry, 1).await.contains("does not answer (no answer within 200 ms)"));
    }
    // A few wait, then the breaker is open.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_no_answer_of_a_registry_says_nothing_of_the_id() {
    for (status, body, expected) in [
        (200, "<html>welcome</html>".to_owned(), "does not answer as Confluent's API has it"),
        (200, "{}".to_owned(), "missing field `schema`"),
        (200, format!(r#"{{"schema":"{}"}}"#, "x".repeat(5 << 20)), "more than 4194304 bytes"),
        (404, "<html>not here</html>".to_owned(), "HTTP 404, which is not of the API"),
        (404, r#"{"error_code":404}"#.to_owned(), "HTTP 404, which is not of the API"),
        (401, String::new(), "does not let fabric in (HTTP 401). Check schema_registry.user"),
        (500, r#"{"error_code":50001,"message":"no leader"}"#.to_owned(), "is in trouble (HTTP 500: no leader)"),
        (503, String::new(), "is in trouble (HTTP 503)"),
    ] {
        let front = Front::of("http://h/api");
        front.answer_with(move |_| (status, body.clone()));
        let registry = registry(&settings(&front.url()), None);
        let said = why(&registry, 7).await;
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn who_has_a_login_says_so_and_nobody_is_told_of_it() {
    let front = Front::of("http://h/api");
    front.answer_with(|_| (200, r#"{"schema":"\"long\""}"#.into()));
    let mut settings = settings(&front.url());
    settings.schema_registry.user = "fabric".into();
    settings.schema_registry.password = "s3cret".into();
    text(&registry(&settings, None), 7).await;
    settings.schema_registry.url = front.url().replace("://", "://other:s3cret%40@");
    text(&registry(&settings, None), 7).await;
    settings.schema_registry.user = String::new();
    let by_url: Arc<Registry> = registry(&settings, None);
    text(&by_url, 7).await;
    let said: Vec<_> = front.asked().into_iter().map(|asked| asked.authorization.unwrap()).collect();
    // RFC 7617: base64 of `fabric:s3cret`, and of `other:s3cret@`.
    assert_eq!(said, ["Basic ZmFicmljOnMzY3JldA==", "Basic ZmFicmljOnMzY3JldA==", "Basic b3RoZXI6czNjcmV0QA=="]);
    assert_eq!(**by_url.place(), front.url());
}
