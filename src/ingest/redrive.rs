//! Copies chunks that a job owes from where they stand in their lane to the lane's end, to be judged and loaded anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::producer::ChunkProducer;
use super::publication::{Publication, PublicationLimits, Sent};
use super::{Ingest, IngestError};
use crate::chunk::{ChunkId, Delivery, Envelope, JobId, Lane, Origin};
use crate::jobs::{self, ChangeError, Publishing, Resumed};
use crate::kafka;
use crate::settings::{KafkaSettings, Settings};

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
pub struct Copied {
    pub copied: Vec<ChunkId>,
    pub gone: Vec<ChunkId>,
    /// Of the copies, by partition.
    pub last_offsets: BTreeMap<i32, i64>,
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
        let copied = match self.copy(job, owed).await {
            Ok(copied) => copied,
            Err(error) => {
                // Whoever comes next sends them; if this fails too, the steward finds that no copy came.
                jobs::send_anew(&self.pool, job).await.ok();
                return Err(error);
            }
        };
        jobs::copied(&self.pool, job, &copied.last_offsets).await.map_err(ChangeError::from)?;
        if !copied.gone.is_empty() {
            let mut connection = self.pool.acquire().await.map_err(ChangeError::from)?;
            jobs::lose(&mut connection, job, &copied.gone).await?;
        }
        Ok(Redriven { copied: copied.copied, gone: copied.gone, publishing })
    }

    async fn copy(&self, job: JobId, owed: Vec<(ChunkId, Delivery)>) -> Result<Copied, IngestError> {
        let producer = self.producer_of(job).await?;
        let kafka = self.settings.kafka.clone();
        let in_flight = self.settings.ingest.in_flight_bytes as u64;
        let copy = move || copy_to_end(&kafka, &producer, in_flight, owed);
        tokio::task::spawn_blocking(copy).await.map_err(IngestError::Panicked)?
    }
}

/// As [`Ingest::redrive`] copies, for whoever has taken the chunks from the job. Blocks.
pub fn copy_owed(settings: &Settings, lane: Lane, owed: Vec<(ChunkId, Delivery)>) -> Result<Copied, IngestError> {
    let producer = ChunkProducer::connect(&settings.kafka, &settings.ingest, lane, FETCH_PATIENCE)
        .map_err(|error| IngestError::Kafka(kafka::describe(&error, &settings.kafka)))?;
    copy_to_end(&settings.kafka, &producer, settings.ingest.in_flight_bytes as u64, owed)
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
        if *delivery.topic != *producer.topic() {
            found.gone.push(chunk);
            continue;
        }
        match reader.read(&delivery).map_err(failed)? {
            // What stands there now may be another message: the topic was made anew.
            Some(envelope) if envelope.id == chunk => {
                send(producer, &publication, &envelope)?;
                found.copied.push(chunk);
            }
            _ => found.gone.push(chunk),
        }
    }
    found.last_offsets = publication.drain()?;
    Ok(found)
}

fn send(producer: &ChunkProducer, publication: &Arc<Publication>, envelope: &Envelope) -> Result<(), IngestError> {
    let mut message = Vec::new();
    envelope.encode(&mut message);
    let bytes = message.len() as u64;
    publication.admit(bytes, 0)?;
    let (publication, origin) = (publication.clone(), Origin::Copy);
    let (records, at) = (envelope.chunk.records, Instant::now());
    let sent = Sent { publication, chunk: envelope.id, origin, bytes, records, at };
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
