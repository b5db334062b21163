//! What others may do to a topic behind fabric's back: delete its records, or all of it.

use std::time::{Duration, Instant};

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::installation::{Installation, admin, brokers};

const LIMIT: Duration = Duration::from_secs(10);

pub fn normal(installation: &Installation) -> String {
    format!("{}chunks.normal", installation.prefix)
}

/// Deletes every record of these partitions.
pub async fn empty(topic: &str, partitions: std::ops::Range<i32>) {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, Offset::End).unwrap();
    }
    admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
}

/// Deletes a topic and waits until Kafka knows it no more.
pub async fn delete(topic: &str) {
    admin().delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    let until = Instant::now() + LIMIT;
    while is_there(topic) {
        assert!(Instant::now() < until, "{topic} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_there(topic: &str) -> bool {
    let metadata = consumer().fetch_metadata(Some(topic), LIMIT).unwrap();
    metadata.topics().iter().any(|found| found.name() == topic && found.error().is_none())
}

/// Messages that were ever sent to it.
pub fn sent(topic: &str) -> i64 {
    let consumer = consumer();
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let partitions = metadata.topics()[0].partitions();
    partitions.iter().map(|partition| consumer.fetch_watermarks(topic, partition.id(), LIMIT).unwrap().1).sum()
}

pub fn partitions(topic: &str) -> usize {
    consumer().fetch_metadata(Some(topic), LIMIT).unwrap().topics()[0].partitions().len()
}

/// Waits until Kafka says that it has so many partitions.
pub async fn until_it_has(topic: &str, count: usize) {
    let until = Instant::now() + LIMIT;
    while partitions(topic) != count {
        assert!(Instant::now() < until, "{topic} has {} partitions, not {count}", partitions(topic));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A consumer that joins no group.
pub fn consumer() -> BaseConsumer {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("group.id", "it-reader").set("enable.auto.commit", "false");
    config.create().unwrap()
}
