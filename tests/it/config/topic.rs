//! The config topic as another program reads and writes it.

use std::time::{Duration, Instant};

use fabric::config::{ConfigEvent, TOMBSTONE_HEADER, Thing};
use rdkafka::consumer::Consumer as _;
use rdkafka::message::Headers as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::installation::{Installation, brokers};
use crate::resuming::lane;

pub fn name(installation: &Installation) -> String {
    format!("{}config", installation.prefix)
}

/// Puts a message there as nobody should.
pub async fn forge(installation: &Installation, key: &[u8], value: Option<&[u8]>) {
    let mut config = rdkafka::ClientConfig::new();
    let producer: FutureProducer = config.set("bootstrap.servers", brokers()).create().unwrap();
    let topic = name(installation);
    // Kafka itself takes none without a key where it compacts.
    let record = FutureRecord { payload: value, ..FutureRecord::to(&topic) }.key(key);
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

/// Every event that stands there now, in order; of tombstones those in their header.
pub fn events(installation: &Installation) -> Vec<ConfigEvent> {
    let topic = name(installation);
    let end = lane::sent(&topic);
    let consumer = lane::consumer();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let (mut events, mut next) = (Vec::new(), 0);
    while next < end {
        assert!(Instant::now() < until, "{next} of {end} messages were read");
        // Errors pass: the topic may be a young one.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
        next = message.offset() + 1;
        let tombstone =
            message.headers().and_then(|headers| headers.iter().find(|header| header.key == TOMBSTONE_HEADER)?.value);
        let thing = Thing::of_key(message.key()).unwrap();
        events.push(ConfigEvent::decode(&thing, message.payload().or(tombstone)).unwrap());
    }
    events
}
