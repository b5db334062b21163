//! How a member of the group is configured, and what it asks of the group.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka;
use crate::settings::Settings;

/// Bytes that librdkafka fetches ahead, over all partitions, unless there are more than 16 of them.
const AHEAD_KIB: i32 = 16 << 10;
/// Of one partition: below a chunk, every chunk would wait for a round trip.
const LEAST_AHEAD_KIB: i32 = 1 << 10;

/// Times that the group is asked for its commits before the consumer is made anew.
const TRIES: usize = 4;

pub fn group(settings: &Settings) -> String {
    settings.kafka.name("lanes")
}

/// `partitions`: of both lanes. Each has a queue of its own, to which the limit of what is fetched ahead applies.
pub fn consumer_config(settings: &Settings, partitions: i32) -> ClientConfig {
    let ahead = (AHEAD_KIB / partitions.max(1)).max(LEAST_AHEAD_KIB);
    let validate = &settings.validate;
    let mut config = kafka::client_config(&settings.kafka, "validate");
    config
        .set("group.id", group(settings))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position outside the log is an error that is reported, never a silent jump. Where nothing is committed, the
        // assignment says `beginning` itself.
        .set("auto.offset.reset", "error")
        // Notices new partitions, and that a lane is gone: one made anew is begun at its first chunk then, for its
        // partitions are assigned anew. By default it would take five minutes.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("queued.max.messages.kbytes", ahead.to_string())
        .set("fetch.queue.backoff.ms", "20")
        .set("fetch.wait.max.ms", "100");
    if validate.group_protocol == "consumer" {
        // KIP-848: session, heartbeats and the assignor are the broker's; a client that names them is refused.
        config.set("group.protocol", "consumer");
    } else {
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", validate.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", validate.heartbeat.as_millis().to_string());
    }
    for (key, value) in &settings.kafka.properties {
        config.set(key, value);
    }
    config
}

/// What the group has committed of these partitions.
pub fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: TopicPartitionList,
) -> KafkaResult<TopicPartitionList> {
    let mut last_error = KafkaError::Canceled;
    for _ in 0..TRIES {
        let answer = consumer.committed_offsets(list.clone(), kafka::ANSWER_TIMEOUT).and_then(|answer| {
            answer.elements().iter().try_for_each(|element| element.error())?;
            Ok(answer)
        });
        match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// `chunks.normal 0 1 2, chunks.high 3`, for a log.
pub fn listed(partitions: &[(String, i32)]) -> String {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort();
    let mut words = String::new();
    let mut topic_before = "";
    for (topic, partition) in sorted {
        if topic != topic_before {
            let gap = if words.is_empty() { "" } else { ", " };
            words.push_str(&format!("{gap}{topic}"));
            topic_before = topic;
        }
        words.push_str(&format!(" {partition}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_takes_the_configuration_of_either_protocol() {
        let mut settings = Settings::default();
        for protocol in ["classic", "consumer"] {
            settings.validate.group_protocol = protocol.into();
            let made: KafkaResult<BaseConsumer> = consumer_config(&settings, 12).create();
            assert!(made.is_ok(), "{protocol}: {:?}", made.err());
        }
    }

    #[test]
    fn partitions_are_listed_by_topic() {
        let partitions = [("b".to_owned(), 2), ("a".to_owned(), 1), ("b".to_owned(), 0)];
        assert_eq!(listed(&partitions), "a 1, b 0 2");
    }
}
