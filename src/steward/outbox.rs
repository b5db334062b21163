//! Outbox rows into Kafka, in order; a row goes once Kafka has acknowledged it.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::PgConnection;
use sqlx::types::Json;
use tokio::task::JoinHandle;

use crate::jobs::{EVENT_TOPIC, EventKind, JobEvent};
use crate::retry::Waits;
use crate::settings::KafkaSettings;
use crate::telemetry::catalog::JOB_EVENTS;
use crate::telemetry::{Statement, timed};

/// Rows in flight at most: some hundred bytes each.
const BATCH: i64 = 500;

/// Publishes beside the leader's rounds, which only hand it rows and remove what it has got through.
pub(super) struct Outbox {
    producer: FutureProducer,
    topic: String,
    sending: Option<JoinHandle<Vec<i64>>>,
}

struct Row {
    event: i64,
    key: String,
    payload: JobEvent,
}

impl Outbox {
    pub(super) fn start(kafka: &KafkaSettings) -> Result<Self, KafkaError> {
        let producer = crate::kafka::client_config(kafka, "steward")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "10000")
            .create()?;
        Ok(Self { producer, topic: kafka.name(EVENT_TOPIC), sending: None })
    }

    /// Ends what is under way: the next leader sends it, and from two at once events would come out of order.
    pub(super) fn stop(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
    }

    /// Removes what Kafka has acknowledged and hands on what is next; never waits for Kafka.
    pub(super) async fn work(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if let Some(sending) = &mut self.sending {
            if !sending.is_finished() {
                return Ok(());
            }
            let sent = sending.await.unwrap_or_default();
            self.sending = None;
            remove(connection, &sent).await?;
        }
        let rows = timed(Statement::Outbox, next(connection)).await?;
        if !rows.is_empty() {
            self.sending = Some(tokio::spawn(send(self.producer.clone(), self.topic.clone(), rows)));
        }
        Ok(())
    }
}

/// A row that this release cannot read waits for one that can; it holds up no other.
async fn next(connection: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    let rows: Vec<(i64, String, Json<serde_json::Value>)> =
        sqlx::query_as("select event_id, key, payload from fabric.outbox where topic = $1 order by event_id limit $2")
            .bind(EVENT_TOPIC)
            .bind(BATCH)
            .fetch_all(connection)
            .await?;
    let read = |(event, key, Json(payload)): (i64, String, Json<serde_json::Value>)| {
        serde_json::from_value(payload)
            .inspect_err(|error| tracing::error!(event, %error, "an outbox row is no job event"))
            .ok()
            .map(|payload| Row { event, key, payload })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

async fn remove(connection: &mut PgConnection, events: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from fabric.outbox where event_id = any($1)").bind(events).execute(connection).await?;
    Ok(())
}

/// Each event is one line of the log, whoever moved the job: a validator, the steward, a person's command.
fn published(event: &JobEvent) {
    let JobEvent { job, kind, feed, state, reason, records, loaded, rejected, .. } = event;
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

/// One after the other, each until Kafka has it: order matters more than speed for a few events per job.
async fn send(producer: FutureProducer, topic: String, rows: Vec<Row>) -> Vec<i64> {
    let mut sent = Vec::with_capacity(rows.len());
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(10));
    for row in rows {
        let message = match row.payload.encode() {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(event = row.event, %error, "an outbox row does not encode");
                continue;
            }
        };
        loop {
            let record = FutureRecord::to(&topic).key(&row.key).payload(&message);
            match producer.send(record, Duration::from_secs(1)).await {
                Ok(_) => break published(&row.payload),
                Err((error, _)) => {
                    tracing::warn!(topic, %error, "Kafka does not take job events; trying again");
                    tokio::time::sleep(waits.next_wait()).await;
                }
            }
        }
        waits.reset();
        sent.push(row.event);
    }
    sent
}
