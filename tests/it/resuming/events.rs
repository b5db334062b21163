//! Reads job events as another program would: by the schema in `schemas/`, from the topic.

use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::single_object::GenericSingleObjectReader;
use rdkafka::consumer::Consumer as _;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde::Deserialize;

use super::lane;
use crate::installation::Installation;

/// The fields that tests look at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    pub job: i64,
    pub kind: String,
    pub feed: String,
    pub state: String,
    pub reason: Option<String>,
    pub records: i64,
    pub loaded: i64,
    pub rejected: i64,
}

/// Every event from the topic's begin, in the order of its partitions, until one of them is as asked.
pub async fn read_until(installation: &Installation, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let schema = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/job-event.avsc")).unwrap();
    let schema = Schema::parse_str(&schema).unwrap();
    let head = [&[0xc3, 0x01][..], &schema.fingerprint::<Rabin>().bytes].concat();
    let reader = GenericSingleObjectReader::builder().schema(schema).build().unwrap();
    let topic = topic(installation);
    let consumer = lane::consumer();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..4 {
        partitions.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let until = Instant::now() + Duration::from_secs(40);
    let mut events: Vec<Event> = Vec::new();
    while !events.last().is_some_and(&last) {
        assert!(Instant::now() < until, "still {events:?}");
        // Errors pass: the topic may be a young one.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
        // Other kinds of messages stand there too: each names its schema.
        let Some(mut payload) = message.payload().filter(|payload| payload.starts_with(&head)) else { continue };
        let value = reader.read_value(&mut payload).unwrap();
        let event: Event = apache_avro::from_value(&value).unwrap();
        assert_eq!(message.key().unwrap(), event.job.to_string().as_bytes(), "the key is the job's id");
        events.push(event);
    }
    events
}

pub fn topic(installation: &Installation) -> String {
    format!("{}job-events", installation.prefix)
}

/// The states that a job was told to be in, one after the other.
pub fn states(events: &[Event], job: i64) -> Vec<&str> {
    let of_job = events.iter().filter(|event| event.job == job && event.kind == "STATE");
    of_job.map(|event| event.state.as_str()).collect()
}
