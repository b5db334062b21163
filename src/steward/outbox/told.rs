//! What kinds of outbox rows become: a message, and a line of the log.

use rdkafka::message::{Header, OwnedHeaders};
use serde::de::DeserializeOwned;

use crate::config::{CONFIG_TOPIC, ConfigEvent, TOMBSTONE_HEADER};
use crate::jobs::{EVENT_TOPIC, EventKind, JobEvent};
use crate::telemetry::catalog::{CONFIG_PUBLISHED, JOB_EVENTS};

/// What a topic's rows hold.
pub(super) trait Told: DeserializeOwned + Send + Sync + 'static {
    /// Without the prefix of the installation.
    const TOPIC: &'static str;

    fn message(&self) -> Result<Message, apache_avro::Error>;

    /// Kafka has it.
    fn published(&self);
}

/// Beside its key. Without a value it is a tombstone.
pub(super) struct Message {
    pub value: Option<Vec<u8>>,
    pub headers: OwnedHeaders,
}

impl Told for JobEvent {
    const TOPIC: &'static str = EVENT_TOPIC;

    fn message(&self) -> Result<Message, apache_avro::Error> {
        Ok(Message { value: Some(self.encode()?), headers: OwnedHeaders::new() })
    }

    /// Each event is one line of the log, whoever moved the job: a validator, the steward, a person's command.
    fn published(&self) {
        let Self { job, kind, feed, state, reason, records, loaded, rejected, .. } = self;
        match kind {
            EventKind::State => tracing::info!(job, feed, state, reason, records, loaded, rejected, "job event"),
            EventKind::Alert => tracing::info!(job, feed, alert = reason, records, loaded, rejected, "job event"),
        }
        let word = match kind {
            EventKind::State => "state",
            EventKind::Alert => "alert",
        };
        JOB_EVENTS.add(&[word], 1);
    }
}

impl Told for ConfigEvent {
    const TOPIC: &'static str = CONFIG_TOPIC;

    /// A retired thing's is a tombstone, so that compaction drops it in the end.
    fn message(&self) -> Result<Message, apache_avro::Error> {
        let event = self.encode()?;
        if !self.retired {
            return Ok(Message { value: Some(event), headers: OwnedHeaders::new() });
        }
        let header = Header { key: TOMBSTONE_HEADER, value: Some(&event) };
        Ok(Message { value: None, headers: OwnedHeaders::new().insert(header) })
    }

    fn published(&self) {
        let Self { kind, name, version, revision, retired, by, .. } = self;
        tracing::info!(kind, name, version, revision, retired, by, "config event");
        CONFIG_PUBLISHED.add(&[kind], 1);
    }
}
