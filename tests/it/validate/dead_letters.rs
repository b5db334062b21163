//! What cannot be used goes to the dead letters with its reason, and the partition goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use fabric::settings::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::member::{Member, committed, settings};
use crate::database::Database;
use crate::topics_of_own::Topics;

pub struct Letter {
    pub payload: Vec<u8>,
    pub headers: BTreeMap<String, String>,
}

/// Waits for so many dead letters.
pub async fn letters(kafka: &KafkaSettings, count: usize) -> Vec<Letter> {
    let kafka = kafka.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut config = fabric::kafka::client_config(&kafka, "test");
        config.set("group.id", kafka.name("test-letters")).set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&kafka.name("dead-letters")]).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let mut found = vec![];
        while found.len() < count && std::time::Instant::now() < deadline {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            let headers = headers.map(|h| (h.key.to_owned(), String::from_utf8(h.value.unwrap().into()).unwrap()));
            found.push(Letter { payload: message.payload().unwrap().to_vec(), headers: headers.collect() });
        }
        found
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_becomes_dead_letters_with_its_place_and_its_partition_goes_on() {
    let (database, topics) = (Database::new().await, Topics::new().await);
    let member = Member::start(settings(&database, &topics));
    let lane = topics.kafka.name("chunks.normal");
    let config = fabric::kafka::producer_config(&topics.kafka, "test", 1 << 20);
    let producer: FutureProducer = config.create().unwrap();
    for payload in ["first rubbish", "second rubbish"] {
        let record: FutureRecord<'_, (), str> = FutureRecord::to(&lane).partition(3).payload(payload);
        producer.send(record, Duration::from_secs(10)).await.unwrap();
    }

    let mut letters = letters(&topics.kafka, 2).await;
    member.end().await;

    letters.sort_by_key(|letter| letter.headers["fabric-offset"].clone());
    let payloads: Vec<_> = letters.iter().map(|letter| String::from_utf8_lossy(&letter.payload).into_owned()).collect();
    assert_eq!(payloads, ["first rubbish", "second rubbish"]);
    assert_eq!(letters[1].headers["fabric-reason"], "not-avro");
    assert_eq!(letters[1].headers["fabric-topic"], lane);
    assert_eq!(letters[1].headers["fabric-partition"], "3");
    assert_eq!(committed(&topics.kafka, lane, 3).await, (Some(2), String::new()));
}
