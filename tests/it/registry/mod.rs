//! The way to a schema registry: a real one, and what else may listen in its place.

pub mod apicurio;
mod cached;
pub mod front;
mod streams;
mod trouble;
mod unknown;

use std::sync::Arc;
use std::time::Duration;

use fabric::redis::Redis;
use fabric::registry::{Id, Registered, Registry};
use fabric::settings::Settings;
use serde_json::{Value, json};

/// A schema that is like no other.
pub fn schema(name: &str) -> Value {
    let fields = json!([{ "name": "id", "type": "string" }, { "name": "amount", "type": "long" }]);
    json!({ "type": "record", "name": name, "fields": fields })
}

/// A name that no other test has used.
pub fn unique(name: &str) -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{name}_{}_{}_{count}", std::process::id(), jiff::Timestamp::now().as_millisecond())
}

fn settings(url: &str) -> Settings {
    let mut settings = Settings::default();
    settings.kafka.prefix = format!("{}.", unique("registry"));
    settings.schema_registry.url = url.to_owned();
    settings.schema_registry.timeout = Duration::from_secs(2);
    settings
}

fn registry(settings: &Settings, redis: Option<Arc<Redis>>) -> Arc<Registry> {
    Registry::new(settings, redis).unwrap().unwrap()
}

/// The text of a schema that is there.
async fn text(registry: &Registry, id: u32) -> String {
    match registry.schema(id).await.unwrap() {
        Id::Registered(registered) => match &*registered {
            Registered::Avro(text) => text.clone(),
            Registered::Unusable(why) => panic!("{why}"),
        },
        Id::Unknown => panic!("id {id} is unknown"),
    }
}
