//! What Kafka says of a record topic, for whoever is to write to it.

use fabric::report::figures;
use fabric::settings::Settings;
use fabric::topics;
use serde_json::{Value, json};

pub enum Topic {
    There {
        partitions: i32,
        message_bytes: Option<u64>,
    },
    Absent,
    /// Why Kafka does not say.
    Unknown(String),
}

pub async fn look(settings: &Settings, name: &str) -> Topic {
    match topics::look_at(&settings.kafka, vec![name.to_owned()]).await {
        Ok(mut found) => found.remove(name).map_or(Topic::Absent, |topic| Topic::There {
            partitions: topic.partitions,
            message_bytes: topic.configs.get("max.message.bytes").and_then(|limit| limit.parse().ok()),
        }),
        Err(error) => Topic::Unknown(error.to_string()),
    }
}

impl Topic {
    pub fn words(&self) -> String {
        match self {
            Self::There { partitions, .. } => {
                figures::counted(u64::from(partitions.cast_unsigned()), "partition", "partitions")
            }
            Self::Absent => "it is not there yet; whoever runs the cluster makes it".to_owned(),
            Self::Unknown(why) => format!("how many partitions it has is not known. {why}"),
        }
    }

    /// `longest`: what fabric takes.
    pub fn limit(&self, longest: usize) -> String {
        match self {
            Self::There { message_bytes: Some(limit), .. } => {
                format!("{} in a value; the topic takes {} in a message", size(longest as u64), size(*limit))
            }
            _ => format!("{} in a value", size(longest as u64)),
        }
    }

    pub fn add_to(&self, described: &mut Value) {
        let (partitions, message_bytes) = match self {
            Self::There { partitions, message_bytes } => (Some(*partitions), *message_bytes),
            Self::Absent | Self::Unknown(_) => (None, None),
        };
        described["partitions"] = json!(partitions);
        described["longestMessageBytes"] = json!(message_bytes);
    }
}

/// For reading, and to the byte.
fn size(bytes: u64) -> String {
    format!("{} ({} bytes)", figures::bytes(bytes), figures::count(bytes))
}
