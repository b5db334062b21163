//! What is declared becomes what is there, and what differs is said.

use std::time::Duration;

use fabric::topics::{self, Step};
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer as _;

use crate::topics_of_own::Topics;

#[tokio::test]
async fn applying_twice_creates_once_and_then_changes_nothing() {
    let own = Topics::none().await;
    let first = topics::apply(&own.kafka, None).await.unwrap();
    assert!(first.steps.iter().all(|step| matches!(step, Step::Create { .. })));
    assert!(topics::apply(&own.kafka, None).await.unwrap().is_settled());
    topics::verify(&own.kafka).await.unwrap();
}

#[tokio::test]
async fn a_missing_topic_is_named_with_the_command_that_makes_it() {
    let own = Topics::none().await;
    let said = topics::verify(&own.kafka).await.unwrap_err().to_string();
    let expected = format!("topic {}chunks.normal is not there: run `fabric topics apply`", own.kafka.prefix);
    assert!(said.lines().any(|line| line == expected), "{said}");
}

#[tokio::test]
async fn partitions_and_configs_are_brought_up_and_what_others_set_stays() {
    let own = Topics::none().await;
    let admin = fabric::kafka::admin(&own.kafka).unwrap();
    let name = own.kafka.name("chunks.normal");
    let few = NewTopic::new(&name, 2, TopicReplication::Fixed(1)).set("segment.bytes", "2097152");
    admin.create_topics([&few], &AdminOptions::new()).await.unwrap();
    let declared = topics::declared(&own.kafka.prefix);
    // The controller has it at once; the broker that is asked hears of it from there.
    for _ in 0..100 {
        if topics::look(&own.kafka, &declared).await.unwrap().get(&name).is_some_and(|topic| topic.partitions == 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let plan = topics::apply(&own.kafka, None).await.unwrap();

    assert!(plan.steps.contains(&Step::AddPartitions { topic: name.clone(), from: 2, to: 8 }));
    topics::verify(&own.kafka).await.unwrap();
    let found = topics::look(&own.kafka, &topics::declared(&own.kafka.prefix)).await.unwrap();
    assert_eq!(found[&name].partitions, 8);
    assert_eq!(found[&name].configs["segment.bytes"], "2097152");
    assert_eq!(found[&name].configs["message.timestamp.type"], "LogAppendTime");
}

#[tokio::test]
async fn a_configuration_changed_by_hand_is_reported() {
    let own = Topics::new().await;
    let name = own.kafka.name("dead-letters");
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("max.message.bytes", "1000");
    let admin = fabric::kafka::admin(&own.kafka).unwrap();
    admin.alter_configs([&change], &AdminOptions::new()).await.unwrap();
    // The controller has it at once; the broker that is asked hears of it from there.
    let mut said = String::new();
    for _ in 0..100 {
        said = topics::verify(&own.kafka).await.err().map(|error| error.to_string()).unwrap_or_default();
        if said.contains("max.message.bytes 1000 → 4456448") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the change is not reported: {said}");
}

#[tokio::test]
async fn partitions_are_counted_and_an_absent_topic_has_none() {
    let own = Topics::new().await;
    let count = |topic: String| {
        let kafka = own.kafka.clone();
        tokio::task::spawn_blocking(move || {
            let client = fabric::kafka::inquirer(&kafka).unwrap();
            fabric::kafka::partition_count(client.client(), &topic, Duration::from_secs(5)).unwrap()
        })
    };
    assert_eq!(count(own.kafka.name("chunks.high")).await.unwrap(), Some(4));
    assert_eq!(count(own.kafka.name("nothing")).await.unwrap(), None);
}
