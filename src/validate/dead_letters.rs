//! Puts messages that cannot be used where people find them, unchanged, with the reason.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use sqlx::PgPool;
use tracing::{error, warn};

use super::assignment::Ticket;
use super::message::ChunkMessage;
use crate::chunk::JobId;
use crate::faults::{self, Defect};
use crate::ledger::Finish;
use crate::retry::Waits;
use crate::settings::{PostgresSettings, Settings};
use crate::telemetry::catalog::DEAD_LETTERS;
use crate::{jobs, kafka, postgres};

/// Bytes of dead letters in the producer.
const IN_FLIGHT_BYTES: usize = 16 << 20;

/// Why a message cannot be used. The first word is the header `fabric-reason`, the text `fabric-detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub word: &'static str,
    pub detail: String,
}

impl Reason {
    pub fn new(word: &'static str, detail: impl Into<String>) -> Self {
        Self { word, detail: detail.into() }
    }
}

pub struct DeadLetters {
    producer: kafka::Producer,
    topic: String,
    pool: PgPool,
    postgres: PostgresSettings,
}

impl DeadLetters {
    pub fn new(settings: &Settings, pool: PgPool) -> Result<Self, KafkaError> {
        let Settings { kafka, postgres, .. } = settings;
        let producer = kafka::Producer::start(&kafka::producer_config(kafka, "dead-letters", IN_FLIGHT_BYTES))?;
        Ok(Self { producer, topic: kafka.name("dead-letters"), pool, postgres: postgres.clone() })
    }

    /// Sends the message there and, once that is acknowledged, notes it against its job and counts it as finished.
    /// `job` is given only where the message proved, by a token, to be of that job.
    pub async fn bury(&self, message: &ChunkMessage, ticket: Ticket, job: Option<JobId>, reason: &Reason) {
        let place = format!("{} partition {} offset {}", message.topic.as_str(), message.partition, message.offset);
        if !faults::has(Defect::DeadLetterDropped) && !self.send(message, &ticket, reason, &place).await {
            return;
        }
        faults::step("bury.sent").await;
        DEAD_LETTERS.add(&[reason.word], 1);
        error!(
            topic = message.topic.as_str(),
            partition = message.partition,
            offset = message.offset,
            job = job.map(|job| job.0),
            reason = reason.word,
            detail = reason.detail,
            "a message cannot be used: it is in the dead letters"
        );
        if let Some(job) = job
            && !self.note(job, &ticket, &format!("{place}: {}: {}", reason.word, reason.detail)).await
        {
            return;
        }
        faults::step("bury.noted").await;
        ticket.finish(Finish::Elsewhere);
    }

    /// Tries until it is acknowledged. `false`: given up, since the partition is another's now.
    async fn send(&self, message: &ChunkMessage, ticket: &Ticket, reason: &Reason, place: &str) -> bool {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !ticket.is_abandoned() {
            let (key, value) = (message.key.as_deref(), message.payload.as_deref());
            let Err(error) = self.producer.send(&self.topic, key, value, headers(message, reason)).await else {
                return true;
            };
            let wait = waits.next_wait();
            warn!(%error, place, ?wait, "the dead letters do not take a message: trying again");
            tokio::time::sleep(wait).await;
        }
        false
    }

    async fn note(&self, job: JobId, ticket: &Ticket, note: &str) -> bool {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !ticket.is_abandoned() {
            let Err(error) = jobs::note(&self.pool, job, note).await else { return true };
            let (wait, error) = (waits.next_wait(), postgres::describe(&error, &self.postgres));
            warn!(error, %job, ?wait, "Postgres does not take a note on a job: trying again");
            tokio::time::sleep(wait).await;
        }
        false
    }
}

/// The message's own, then why, and where it stood.
fn headers(message: &ChunkMessage, reason: &Reason) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    if let Some(own) = &message.headers {
        for header in own.iter() {
            headers = headers.insert(header);
        }
    }
    let (partition, offset) = (message.partition.to_string(), message.offset.to_string());
    let ours = [
        ("fabric-reason", reason.word),
        ("fabric-detail", reason.detail.as_str()),
        ("fabric-topic", message.topic.as_str()),
        ("fabric-partition", partition.as_str()),
        ("fabric-offset", offset.as_str()),
    ];
    for (key, value) in ours {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_keeps_its_headers_and_says_why_and_where_it_stood() {
        let own = OwnedHeaders::new().insert(Header { key: "job", value: Some("7") });
        let message = ChunkMessage {
            topic: "f.chunks.high".into(),
            partition: 3,
            offset: 42,
            key: None,
            payload: None,
            headers: Some(own),
        };
        let headers = headers(&message, &Reason::new("unknown", "there is no job 7"));
        let text: Vec<_> = headers
            .iter()
            .map(|h| format!("{}={}", h.key, String::from_utf8_lossy(h.value.unwrap_or_default())))
            .collect();
        assert_eq!(
            text,
            [
                "job=7",
                "fabric-reason=unknown",
                "fabric-detail=there is no job 7",
                "fabric-topic=f.chunks.high",
                "fabric-partition=3",
                "fabric-offset=42"
            ]
        );
    }
}
