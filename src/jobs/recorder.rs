//! Sends what Kafka keeps of jobs ([`super::recorded`]), one message at a time, each waited for.

use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::OwnedHeaders;
use tracing::warn;

use super::event::TOPIC;
use super::recorded::{JobClosed, JobOpened};
use crate::kafka::{self, Producer};
use crate::settings::KafkaSettings;

/// A message has the definition of a feed in it, and there is one in flight per job.
const IN_FLIGHT: usize = 16 << 20;
/// One try: whoever has more patience tries again.
const TRY: Duration = Duration::from_secs(5);

/// The producer of these messages, made when first used; all jobs of a process share it.
pub struct Recorder {
    kafka: KafkaSettings,
    producer: OnceLock<Producer>,
}

impl Recorder {
    pub fn new(kafka: &KafkaSettings) -> Self {
        Self { kafka: kafka.clone(), producer: OnceLock::new() }
    }

    /// Returns once Kafka has it: no chunk of this run is to be sent before.
    pub async fn opened(&self, opened: &JobOpened) -> Result<(), KafkaError> {
        self.send(opened.job, &opened.encode()).await
    }

    /// Before Postgres is told: what was closed in Kafka and not in Postgres is closed all the same by whoever recovers it.
    pub async fn closed(&self, closed: &JobClosed) -> Result<(), KafkaError> {
        self.send(closed.job, &closed.encode()).await
    }

    async fn send(&self, job: i64, message: &[u8]) -> Result<(), KafkaError> {
        let (topic, key) = (self.kafka.name(TOPIC), job.to_string());
        let producer = self.producer()?;
        let sent = producer.send(&topic, Some(key.as_bytes()), Some(message), OwnedHeaders::new()).await;
        let Err(error) = sent else { return Ok(()) };
        // Whoever has deleted the topic has given up what it is for; loading goes on.
        let (asked, of) = (producer.clone(), topic.clone());
        match tokio::task::spawn_blocking(move || asked.partitions(&of, kafka::ANSWER_TIMEOUT)).await {
            Ok(Ok(None)) => {
                warn!(job, topic, "the topic is not there: nothing registers this job again if Postgres forgets it");
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn producer(&self) -> Result<&Producer, KafkaError> {
        if let Some(producer) = self.producer.get() {
            return Ok(producer);
        }
        let mut config = kafka::producer_config(&self.kafka, "jobs", IN_FLIGHT);
        config.set("linger.ms", "0").set("message.timeout.ms", TRY.as_millis().to_string());
        // Of two that are made at once one is dropped.
        let made = Producer::start(&config)?;
        Ok(self.producer.get_or_init(|| made))
    }
}
