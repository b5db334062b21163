//! One topic's rows: taken in order, sent one after the other, removed once Kafka has them.

use std::marker::PhantomData;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::types::Json;
use tokio::task::JoinHandle;

use super::told::{Message, Told};
use crate::faults::{self, Defect};
use crate::kafka::Producer;
use crate::retry::Waits;
use crate::settings::KafkaSettings;
use crate::telemetry::{Statement, timed};

/// Rows in flight at most: some hundred bytes each.
const BATCH: i64 = 500;

pub(super) struct Line<E> {
    producer: Producer,
    /// As Kafka knows it.
    topic: String,
    sending: Option<JoinHandle<Vec<i64>>>,
    /// The last row that could not be read, and was told of.
    unreadable: i64,
    rows: PhantomData<E>,
}

struct Row<E> {
    event: i64,
    key: String,
    payload: E,
}

impl<E: Told> Line<E> {
    pub(super) fn new(kafka: &KafkaSettings, producer: Producer) -> Self {
        Self { producer, topic: kafka.name(E::TOPIC), sending: None, unreadable: 0, rows: PhantomData }
    }

    pub(super) fn stop(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
    }

    pub(super) async fn work(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if let Some(sending) = &mut self.sending {
            if !sending.is_finished() {
                return Ok(());
            }
            let sent = sending.await.unwrap_or_default();
            self.sending = None;
            remove(connection, &sent).await?;
        }
        let rows = timed(Statement::Outbox, self.next(connection)).await?;
        if !rows.is_empty() {
            faults::step("outbox.read").await;
            if faults::has(Defect::OutboxRemovedFirst) {
                remove(connection, &rows.iter().map(|row| row.event).collect::<Vec<_>>()).await?;
            }
            self.sending = Some(tokio::spawn(send(self.producer.clone(), self.topic.clone(), rows)));
        }
        Ok(())
    }

    /// A row that this release cannot read waits for one that can; it holds up no other.
    async fn next(&mut self, connection: &mut PgConnection) -> Result<Vec<Row<E>>, sqlx::Error> {
        let rows: Vec<(i64, String, Json<serde_json::Value>)> = sqlx::query_as(
            "select event_id, key, payload from fabric.outbox where topic = $1 order by event_id limit $2",
        )
        .bind(E::TOPIC)
        .bind(BATCH)
        .fetch_all(connection)
        .await?;
        let mut read = Vec::with_capacity(rows.len());
        for (event, key, Json(payload)) in rows {
            match serde_json::from_value(payload) {
                Ok(payload) => read.push(Row { event, key, payload }),
                Err(error) if event > self.unreadable => {
                    tracing::error!(event, topic = E::TOPIC, %error, "an outbox row is no event of this release");
                    self.unreadable = event;
                }
                Err(_) => {}
            }
        }
        Ok(read)
    }
}

async fn remove(connection: &mut PgConnection, events: &[i64]) -> Result<(), sqlx::Error> {
    faults::statement("outbox.remove", connection).await?;
    if faults::has(Defect::OutboxKept) {
        return Ok(());
    }
    sqlx::query("delete from fabric.outbox where event_id = any($1)").bind(events).execute(connection).await?;
    faults::answer("outbox.removed").await
}

/// One after the other, each until Kafka has it: order matters more than speed for a few events per job.
async fn send<E: Told>(producer: Producer, topic: String, rows: Vec<Row<E>>) -> Vec<i64> {
    let mut sent = Vec::with_capacity(rows.len());
    for row in rows {
        match row.payload.message() {
            Ok(message) => {
                send_one(&producer, &topic, &row.key, &message).await;
                faults::step("outbox.sent").await;
                row.payload.published();
                sent.push(row.event);
            }
            Err(error) => tracing::error!(event = row.event, %error, "an outbox row does not encode"),
        }
    }
    sent
}

/// Returns once Kafka has it.
async fn send_one(producer: &Producer, topic: &str, key: &str, message: &Message) {
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        let value = message.value.as_deref();
        match producer.send(topic, Some(key.as_bytes()), value, message.headers.clone()).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(topic, %error, "Kafka does not take events; trying again");
                tokio::time::sleep(waits.next_wait()).await;
            }
        }
    }
}
