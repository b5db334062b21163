//! What a schema registry has for a stream's producers, and how to register the first.

use fabric::feed::{Feed, Framing, Layout};
use fabric::registry::{Latest, Registry, RegistryUrlError, subject_of};
use fabric::settings::Settings;
use serde_json::{Value, json};

/// The subject of a stream's schemas.
pub struct Subject {
    feed: String,
    name: String,
    /// Where the registry is; `None`: none is set.
    place: Option<String>,
    /// The last schema, or that there is none, or why that is not known.
    latest: Result<Option<Latest>, String>,
}

impl Subject {
    /// `None`: the feed's schemas are in no registry.
    pub async fn of(feed: &Feed, settings: &Settings) -> Result<Option<Self>, RegistryUrlError> {
        let Some(stream) = feed.stream.as_ref().filter(|_| feed.layout == Layout::Avro(Framing::Confluent)) else {
            return Ok(None);
        };
        let (feed, name) = (feed.name.to_string(), subject_of(&stream.topic));
        let (place, latest) = match Registry::new(settings, None)? {
            Some(registry) => {
                let latest = registry.latest(&name).await.map_err(|error| error.to_string());
                (Some(registry.place().to_string()), latest)
            }
            None => (None, Err("no schema registry is set: schema_registry.url (FABRIC_SCHEMA_REGISTRY_URL)".into())),
        };
        Ok(Some(Self { feed, name, place, latest }))
    }

    pub fn as_json(&self) -> Value {
        let latest = self.latest.as_ref().ok().and_then(Option::as_ref);
        let latest = latest.map(|latest| json!({ "id": latest.id, "version": latest.version }));
        json!({ "subject": self.name, "url": self.place, "latest": latest, "error": self.latest.as_ref().err() })
    }

    /// One indented line.
    pub fn line(&self) -> String {
        let said = match &self.latest {
            Ok(Some(Latest { id, version, .. })) => {
                format!("its last version, {version}, is schema id {id} of the schema registry at {}", self.place())
            }
            Ok(None) => format!("the schema registry at {} has none yet, see below", self.place()),
            Err(why) => why.clone(),
        };
        format!("  subject  {}: {said}\n", self.name)
    }

    /// How to register the first schema, where there is none.
    pub fn hint(&self) -> Option<String> {
        let Self { feed, name, latest, .. } = self;
        let is_none = matches!(latest, Ok(None));
        is_none.then(|| {
            format!(
                "\nTo register the schema that the feed's fields make:\n  \
                 fabric feeds schema {feed} | jq -Rs '{{schema: .}}' |\n    \
                 curl -sS -H 'Content-Type: application/vnd.schemaregistry.v1+json' --data @- \\\n      \
                 {}/subjects/{name}/versions\n",
                self.place()
            )
        })
    }

    fn place(&self) -> &str {
        self.place.as_deref().unwrap_or_default()
    }
}
