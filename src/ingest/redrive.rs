//! Copies chunks that a job owes from where they stand in their lane to the lane's end, to be judged and loaded anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::producer::ChunkProducer;
use super::publication::{Publication, PublicationLimits, Sent};
use super::{Ingest, IngestError};
use crate::chunk::{ChunkId, Envelope, JobId, Lane};
use crate::jobs::{self, Publishing, Resumed};
use crate::kafka;
use crate::load::Delivery;
use crate::settings::KafkaSettings;

/// What became of a job's owed chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// Copied to the lane's end.
    pub copied: Vec<ChunkId>,
    /// The lane holds them no more: they must be cut from the source again.
    pub gone: Vec<ChunkId>,
    pub publishing: Publishing,
}

/// Chunks that were copied, and those that were not there.
#[derive(Default)]
struct Copied {
    copied: Vec<ChunkId>,
    gone: Vec<ChunkId>,
}

/// How long one message may take to arrive from a broker that has it.
const FETCH_PATIENCE: Duration = Duration::from_secs(10);

impl Ingest {
    /// Brings back a parked job: lets it take chunks again, and copies what it owes. Cut short, it can be repeated:
    /// a chunk stays owed until it is loaded.
    pub async fn redrive(&self, job: JobId) -> Result<Redriven, IngestError> {
        self.producer_of(job).await?;
        let Resumed { owed, publishing } = jobs::resume(&self.pool, job).await?;
        let mut all = Copied::default();
        for lane in Lane::ALL {
            let topic = self.settings.kafka.lane_topic(lane);
            let of_lane: Vec<_> = owed.iter().filter(|(_, delivery)| *delivery.topic == *topic).cloned().collect();
            if !of_lane.is_empty() {
                let Copied { copied, gone } = self.copy(lane, of_lane).await?;
                all.copied.extend(copied);
                all.gone.extend(gone);
            }
        }
        if !all.gone.is_empty() {
            jobs::lose(&self.pool, job, all.gone.len()).await?;
        }
        Ok(Redriven { copied: all.copied, gone: all.gone, publishing })
    }

    async fn copy(&self, lane: Lane, owed: Vec<(ChunkId, Delivery)>) -> Result<Copied, IngestError> {
        let producer = self.producer(lane).await?;
        let kafka = self.settings.kafka.clone();
        let in_flight = self.settings.ingest.in_flight_bytes as u64;
        let copy = move || copy_to_end(&kafka, &producer, in_flight, owed);
        tokio::task::spawn_blocking(copy).await.map_err(IngestError::Panicked)?
    }
}

fn copy_to_end(
    settings: &KafkaSettings,
    producer: &ChunkProducer,
    in_flight: u64,
    mut owed: Vec<(ChunkId, Delivery)>,
) -> Result<Copied, IngestError> {
    let failed = |error: KafkaError| IngestError::Kafka(kafka::describe(&error, settings));
    owed.sort_by(|(_, a), (_, b)| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    let publication = Publication::new(PublicationLimits { in_flight, backlog: u64::MAX });
    let reader = LaneReader::new(settings).map_err(failed)?;
    let mut found = Copied::default();
    for (chunk, delivery) in owed {
        match reader.read(&delivery).map_err(failed)? {
            // What stands there now may be another message: the topic was made anew.
            Some(envelope) if envelope.id == chunk => {
                send(producer, &publication, &envelope)?;
                found.copied.push(chunk);
            }
            _ => found.gone.push(chunk),
        }
    }
    publication.drain()?;
    Ok(found)
}

fn send(producer: &ChunkProducer, publication: &Arc<Publication>, envelope: &Envelope) -> Result<(), IngestError> {
    let mut message = Vec::new();
    envelope.encode(&mut message);
    let bytes = message.len() as u64;
    publication.admit(bytes, 0)?;
    let sent = Sent { publication: publication.clone(), chunk: envelope.id, bytes };
    Ok(producer.send(envelope, &message, sent)?)
}

/// Reads single messages of a lane, outside any group's progress.
struct LaneReader {
    consumer: BaseConsumer,
}

impl LaneReader {
    fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = kafka::client_config(settings, "redrive");
        config
            .set("group.id", settings.name("redrive"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", "8192");
        Ok(Self { consumer: config.create()? })
    }

    /// `None` where the lane does not hold a chunk at that offset.
    fn read(&self, delivery: &Delivery) -> Result<Option<Envelope>, KafkaError> {
        let (low, high) = self.consumer.fetch_watermarks(&delivery.topic, delivery.partition, FETCH_PATIENCE)?;
        if !(low..high).contains(&delivery.offset) {
            return Ok(None);
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&delivery.topic, delivery.partition, Offset::Offset(delivery.offset))?;
        self.consumer.assign(&assignment)?;
        let until = Instant::now() + FETCH_PATIENCE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.consumer.poll(left) {
                Some(Ok(message)) if message.offset() == delivery.offset => {
                    return Ok(message.payload().and_then(|payload| Envelope::decode(payload).ok()));
                }
                Some(Ok(message)) if message.offset() > delivery.offset => return Ok(None),
                Some(Ok(_)) | None => {}
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}
