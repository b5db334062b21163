//! A stretch of a partition's log into its messages, outside any group.

use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{ANSWER_TIMEOUT, client_config};
use crate::settings::KafkaSettings;

/// Without a message for so long the broker does not answer.
const SILENCE: Duration = Duration::from_secs(30);

/// Reads one stretch after another. Its calls block.
pub struct StretchReader {
    consumer: BaseConsumer,
}

impl StretchReader {
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = client_config(settings, "stretch");
        config
            .set("group.id", settings.name("stretch"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "16384");
        Ok(Self { consumer: config.create()? })
    }

    /// First offset of the partition's log, and one past its last.
    pub fn log(&self, topic: &str, partition: i32) -> Result<Range<i64>, KafkaError> {
        let (low, high) = self.consumer.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
        Ok(low..high)
    }

    /// Hands on what the stretch still holds of messages, in their order. Holes in it are passed over.
    pub fn read(
        &self,
        topic: &str,
        partition: i32,
        stretch: Range<i64>,
        mut hear: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), KafkaError> {
        if stretch.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(stretch.start))?;
        self.consumer.assign(&list)?;
        let mut heard = Instant::now();
        while heard.elapsed() < SILENCE {
            match self.consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) if message.offset() >= stretch.end => return Ok(()),
                Some(Ok(message)) => {
                    hear(&message);
                    if message.offset() + 1 == stretch.end {
                        return Ok(());
                    }
                    heard = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(error),
            }
        }
        Err(KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut))
    }
}
