//! Topics of its own per test: a random prefix on the broker that `FABRIC_KAFKA_BROKERS` names, removed when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use fabric::settings::{KafkaSettings, Settings};
use rdkafka::admin::AdminOptions;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::database::ServerAlone;

static BROKER: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

static MADE: AtomicU32 = AtomicU32::new(0);

/// Keep it alive until the test ends.
pub struct Topics {
    pub kafka: KafkaSettings,
    /// While it is held, no test restarts the broker.
    _broker: OwnedRwLockReadGuard<()>,
}

/// The right to restart the broker. Tests with a database wait for the other right, which comes first.
pub async fn broker_alone(_alone: &ServerAlone) -> OwnedRwLockWriteGuard<()> {
    BROKER.clone().write_owned().await
}

impl Topics {
    /// A prefix under which nothing exists yet.
    pub async fn none() -> Self {
        let brokers = std::env::var("FABRIC_KAFKA_BROKERS")
            .expect("FABRIC_KAFKA_BROKERS names the broker: run `dev/stack up`, then `eval \"$(dev/stack env)\"`");
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let prefix = format!("it-{nanos:x}-{}.", MADE.fetch_add(1, Ordering::Relaxed));
        let kafka = KafkaSettings { brokers, prefix, ..Settings::default().kafka };
        Self { kafka, _broker: BROKER.clone().read_owned().await }
    }

    /// Every declared topic.
    pub async fn new() -> Self {
        let topics = Self::none().await;
        fabric::topics::apply(&topics.kafka, None).await.unwrap();
        topics
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let kafka = self.kafka.clone();
        // A thread of its own: the test's runtime is about to end and cannot be waited on from here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let specs = fabric::topics::declared(&kafka.prefix);
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            let admin = fabric::kafka::admin(&kafka).unwrap();
            runtime.block_on(admin.delete_topics(&names, &AdminOptions::new())).ok();
        });
        dropping.join().ok();
    }
}
