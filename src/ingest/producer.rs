//! Sends sealed chunks to their lane and partition, and hands delivery reports to their publication.

use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext};

use super::publication::{Halt, Sent};
use crate::chunk::{Envelope, Lane, Origin};
use crate::faults::{self, Defect};
use crate::kafka;
use crate::settings::{IngestSettings, KafkaSettings};
use crate::telemetry::catalog::{PUBLISHED_BYTES, PUBLISHED_CHUNKS, PUBLISHED_RECORDS, STAGE};

/// A message that has this header is a copy of an owed chunk, which was on the lane before.
pub const COPY_HEADER: &str = "copy";

/// One producer of a process; all its jobs share it.
pub struct ChunkProducer {
    inner: kafka::Served<DeliveryReports>,
    topic: String,
    partitions: i32,
}

struct DeliveryReports;

impl ClientContext for DeliveryReports {}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        match result {
            Ok(message) => {
                faults::point("publish.acked");
                acknowledged(&sent);
                sent.publication.acknowledge(sent.bytes, message.partition(), message.offset());
            }
            Err((_, message)) if faults::has(Defect::DeliveryErrorIgnored) => {
                sent.publication.acknowledge(sent.bytes, message.partition(), message.offset());
            }
            Err((error, _)) => sent.publication.undelivered(sent.chunk, sent.bytes, error.to_string()),
        }
    }
}

fn acknowledged(sent: &Sent) {
    STAGE.observe(&["publish"], sent.at.elapsed());
    PUBLISHED_CHUNKS.add(&[], 1);
    PUBLISHED_RECORDS.add(&[], sent.records.into());
    PUBLISHED_BYTES.add(&[], sent.bytes);
}

impl ChunkProducer {
    /// Blocks for as long as `timeout` to learn the lane's partitions.
    pub fn connect(
        kafka: &KafkaSettings,
        ingest: &IngestSettings,
        lane: Lane,
        timeout: Duration,
    ) -> Result<Self, KafkaError> {
        let mut config = kafka::producer_config(kafka, "ingest", 2 * ingest.in_flight_bytes);
        config
            // A chunk is a batch of its own: waiting for more would only add latency.
            .set("linger.ms", "0")
            .set("message.timeout.ms", ingest.patience.as_millis().to_string());
        let inner = kafka::Served::start(&config, DeliveryReports)?;
        let topic = kafka.lane_topic(lane);
        let partitions = kafka::partition_count(inner.client(), &topic, timeout)?
            .ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition))?;
        Ok(Self { inner, topic, partitions })
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends one sealed chunk that `sent.publication` has admitted; `message` is its encoding.
    pub fn send(&self, envelope: &Envelope, message: &[u8], sent: Sent) -> Result<(), Halt> {
        faults::point("publish.before");
        let partition = envelope.id.partition(self.partitions);
        let job = envelope.id.job.to_string();
        let seq = envelope.id.seq.to_string();
        let mut opaque = Box::new(sent);
        loop {
            let mut headers = OwnedHeaders::new()
                .insert(Header { key: "job", value: Some(&job) })
                .insert(Header { key: "seq", value: Some(&seq) });
            if opaque.origin == Origin::Copy {
                headers = headers.insert(Header { key: COPY_HEADER, value: Some("true") });
            }
            let record = BaseRecord::<'_, (), [u8], _>::with_opaque_to(&self.topic, opaque)
                .partition(partition)
                .payload(message)
                .headers(headers);
            match self.inner.send(record) {
                Ok(()) => {
                    faults::point("publish.sent");
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    opaque = record.delivery_opaque;
                    // The publication bounds what is in flight; other jobs of this process may hold the rest.
                    thread::sleep(Duration::from_millis(2));
                    if let Some(halt) = opaque.publication.halted() {
                        opaque.publication.undelivered(opaque.chunk, opaque.bytes, "not sent".into());
                        return Err(halt);
                    }
                }
                Err((error, record)) => {
                    let sent = record.delivery_opaque;
                    let reason = error.to_string();
                    sent.publication.undelivered(sent.chunk, sent.bytes, reason.clone());
                    return Err(Halt::Undelivered { chunk: sent.chunk, reason });
                }
            }
        }
    }
}

impl Drop for ChunkProducer {
    /// What is still queued belongs to runs that have given up: their chunks are sent again by the next run.
    fn drop(&mut self) {
        self.inner.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    }
}
