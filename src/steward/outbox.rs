//! Outbox rows into Kafka, in order; a row goes once Kafka has acknowledged it.
//!
//! Each topic has a line of its own: what waits in one holds up nothing in the other.

mod line;
mod told;

use rdkafka::error::KafkaError;
use sqlx::PgConnection;

use crate::config::{self, ConfigEvent, Thing};
use crate::jobs::JobEvent;
use crate::kafka;
use crate::settings::KafkaSettings;
use line::Line;

/// Publishes beside the leader's rounds, which only hand it rows and remove what it has got through.
pub(super) struct Outbox {
    jobs: Line<JobEvent>,
    config: Line<ConfigEvent>,
}

impl Outbox {
    pub(super) fn start(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = kafka::client_config(settings, "steward");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // One event after the other: a batch has nothing to wait for.
            .set("linger.ms", "0")
            .set("message.timeout.ms", "10000");
        let producer = kafka::Producer::start(&config)?;
        Ok(Self { jobs: Line::new(settings, producer.clone()), config: Line::new(settings, producer) })
    }

    /// Ends what is under way: the next leader sends it, and from two at once events would come out of order.
    pub(super) fn stop(&mut self) {
        self.jobs.stop();
        self.config.stop();
    }

    /// Removes what Kafka has acknowledged and hands on what is next; never waits for Kafka.
    pub(super) async fn work(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.config.work(connection).await?;
        self.jobs.work(connection).await
    }

    /// As [`work`](Self::work), of config events alone: processes wait for those.
    pub(super) async fn work_on_config(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.config.work(connection).await
    }

    /// Has these things told again, behind whatever waits.
    pub(super) async fn tell_again(connection: &mut PgConnection, things: &[Thing]) -> Result<(), sqlx::Error> {
        let told = config::tell_again(connection, things).await?;
        if told > 0 {
            tracing::info!(told, "what the config topic does not have as it is now is published again");
        }
        Ok(())
    }
}
