//! What Kafka says of a lane: how many partitions, how large a message, where each partition ends.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::PublisherError;
use crate::kafka::{self, ANSWER_TIMEOUT};
use crate::settings::KafkaSettings;
use crate::topics;

/// A lane as the broker has it.
pub(super) struct LaneTopic {
    pub partitions: i32,
    /// The broker takes no larger message, its headers and framing included.
    pub message_bytes: u64,
}

pub(super) async fn look(kafka: &KafkaSettings, topic: &str) -> Result<LaneTopic, PublisherError> {
    let mut found = topics::look_at(kafka, vec![topic.to_owned()]).await?;
    let actual = found.remove(topic).ok_or_else(|| PublisherError::NoLane(topic.to_owned()))?;
    let limit = actual.configs.get("max.message.bytes").and_then(|limit| limit.parse().ok());
    let message_bytes = limit
        .ok_or_else(|| PublisherError::Kafka(format!("Kafka does not say how large a message of {topic} may be")))?;
    Ok(LaneTopic { partitions: actual.partitions, message_bytes })
}

/// By partition that holds or held any message, the offset of the last one. Whatever a producer has an acknowledgement of
/// lies no further.
pub(super) async fn last_offsets(kafka: &KafkaSettings, topic: &str) -> Result<BTreeMap<i32, i64>, PublisherError> {
    let (settings, name) = (kafka.clone(), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || ask(&settings, &name));
    let ends = asked.await.map_err(|error| PublisherError::Kafka(error.to_string()))?;
    let ends = ends.map_err(|error| PublisherError::Kafka(kafka::describe(&error, kafka)))?;
    ends.ok_or_else(|| PublisherError::NoLane(topic.to_owned()))
}

/// `None`: the topic is not there.
fn ask(kafka: &KafkaSettings, topic: &str) -> Result<Option<BTreeMap<i32, i64>>, KafkaError> {
    let client = kafka::inquirer(kafka)?;
    let Some(partitions) = kafka::partition_count(client.client(), topic, ANSWER_TIMEOUT)? else { return Ok(None) };
    let mut last = BTreeMap::new();
    for partition in 0..partitions {
        let (_, end) = client.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
        if end > 0 {
            last.insert(partition, end - 1);
        }
    }
    Ok(Some(last))
}
