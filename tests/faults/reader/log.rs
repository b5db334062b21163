//! Topics as a consumer of the suite's own reads them, from begin to end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::installation::brokers;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Message {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    /// Of a tombstone: none.
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

/// Everything that is there now and was committed, by partition and offset.
pub fn read(topic: &str) -> Result<Vec<Message>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "faults-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .set("isolation.level", "read_committed")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    let mut open = 0;
    for partition in partitions_of(&consumer, topic)? {
        partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
        open += 1;
    }
    consumer.assign(&partitions)?;
    let (mut messages, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while open > 0 && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => messages.push(own(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(_)) | None => {}
        }
    }
    messages.sort_by_key(|message| (message.partition, message.offset));
    Ok(messages)
}

fn own(message: &rdkafka::message::BorrowedMessage<'_>) -> Message {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    Message {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
    }
}

/// Of a topic, as the broker has them now.
pub fn partitions(topic: &str) -> Result<Vec<i32>, KafkaError> {
    partitions_of(&ClientConfig::new().set("bootstrap.servers", brokers()).create()?, topic)
}

fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let topic = metadata.topics().first();
    Ok(topic.into_iter().flat_map(|topic| topic.partitions().iter().map(|partition| partition.id())).collect())
}

/// What a group has not finished of a topic, in messages. Of a partition of which nothing was committed all counts.
pub fn lag(group: &str, topic: &str) -> Result<i64, KafkaError> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers()).set("group.id", group).create()?;
    let patience = Duration::from_secs(5);
    let (mut asked, mut lows, mut lag) = (TopicPartitionList::new(), BTreeMap::new(), 0);
    for partition in partitions_of(&consumer, topic)? {
        let (low, high) = consumer.fetch_watermarks(topic, partition, patience)?;
        asked.add_partition(topic, partition);
        lows.insert(partition, low);
        lag += high - low;
    }
    for element in consumer.committed_offsets(asked, patience)?.elements() {
        if let Offset::Offset(committed) = element.offset() {
            lag -= committed - lows[&element.partition()];
        }
    }
    Ok(lag)
}
