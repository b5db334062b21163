//! Copies chunks that a job owes from where they stand in their lane to the lane's end, to be judged and loaded anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
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
/// Messages that are read and left aside rather than begun anew behind them: a beginning costs a fifth of a second.
const NEAR: i64 = 16;

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
    let mut reader = LaneReader::new(settings).map_err(failed)?;
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

/// Reads single messages of a lane, outside any group's progress. Quick where they are asked for in their order.
struct LaneReader {
    consumer: BaseConsumer,
    place: Option<Place>,
}

/// Where the reader is.
struct Place {
    topic: Arc<str>,
    partition: i32,
    /// Of the next message that comes.
    next: i64,
    /// One past the last message, when the reader came here.
    end: i64,
}

impl Place {
    fn leads_to(&self, delivery: &Delivery) -> bool {
        let here = self.topic == delivery.topic && self.partition == delivery.partition;
        here && (self.next..=self.next + NEAR).contains(&delivery.offset) && delivery.offset < self.end
    }
}

impl LaneReader {
    fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = kafka::client_config(settings, "redrive");
        config
            .set("group.id", settings.name("redrive"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", "8192");
        Ok(Self { consumer: config.create()?, place: None })
    }

    /// `None` where the lane does not hold a chunk at that offset.
    fn read(&mut self, delivery: &Delivery) -> Result<Option<Envelope>, KafkaError> {
        let mut place = match self.place.take().filter(|place| place.leads_to(delivery)) {
            Some(place) => place,
            None => match self.go_to(delivery)? {
                Some(place) => place,
                None => return Ok(None),
            },
        };
        let until = Instant::now() + FETCH_PATIENCE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.consumer.poll(left) {
                Some(Ok(message)) if message.offset() < delivery.offset => place.next = message.offset() + 1,
                Some(Ok(message)) => {
                    place.next = message.offset() + 1;
                    self.place = Some(place);
                    let found = message.payload().filter(|_| message.offset() == delivery.offset);
                    return Ok(found.and_then(|payload| Envelope::decode(&bytes::Bytes::copy_from_slice(payload)).ok()));
                }
                None => {}
                // Deleted since it was found to be there.
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => return Ok(None),
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// `None` where the log does not reach there.
    fn go_to(&self, delivery: &Delivery) -> Result<Option<Place>, KafkaError> {
        let Delivery { topic, partition, offset } = delivery;
        let (low, end) = self.consumer.fetch_watermarks(topic, *partition, FETCH_PATIENCE)?;
        if !(low..end).contains(offset) {
            return Ok(None);
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        self.consumer.assign(&assignment)?;
        Ok(Some(Place { topic: topic.clone(), partition: *partition, next: *offset, end }))
    }
}
