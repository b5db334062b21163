//! Turns `topics/*.yaml` into [`TopicSpec`]s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::IngestSettings;

/// The declarations, in the order in which data flows. They are part of the binary.
const DECLARATIONS: [&str; 5] = [
    include_str!("../../topics/chunks.normal.yaml"),
    include_str!("../../topics/chunks.high.yaml"),
    include_str!("../../topics/dead-letters.yaml"),
    include_str!("../../topics/job-events.yaml"),
    include_str!("../../topics/config.yaml"),
];

/// What a chunk's message has beside its longest part: the header record, the envelope, message headers.
const CONTEXT_BYTES: usize = 256 << 10;

/// One topic as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// With the prefix of the installation.
    #[serde(rename = "topic")]
    pub name: String,
    pub doc: String,
    /// A file of `schemas/`, or `none`.
    pub schema: String,
    /// What the key of a message is.
    pub key: String,
    pub partitions: i32,
    /// Copies of each partition. One is for a bare machine; production has three.
    #[serde(default = "one")]
    pub replication: i32,
    /// Kafka's names, complete: what is not named here has Kafka's default.
    pub configs: BTreeMap<String, Scalar>,
    /// Roles.
    pub producers: Vec<String>,
    pub consumers: Vec<String>,
}

/// A value of a topic's configuration, as YAML may write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Truth(bool),
    Number(i64),
    Word(String),
}

fn one() -> i32 {
    1
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truth(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Word(value) => value.fmt(f),
        }
    }
}

impl TopicSpec {
    /// The same topic with so many copies; from three on, two must have a message before it is acknowledged.
    pub fn replicated(mut self, replication: i32) -> Self {
        self.replication = replication;
        if replication >= 3 {
            self.configs.insert("min.insync.replicas".into(), Scalar::Number(2));
        }
        self
    }
}

/// Every topic of an installation.
pub fn declared(prefix: &str) -> Vec<TopicSpec> {
    DECLARATIONS
        .iter()
        .map(|document| {
            let mut spec: TopicSpec = serde_saphyr::from_str(document).expect("a test reads each declaration");
            spec.name.insert_str(0, prefix);
            spec
        })
        .collect()
}

/// Whether the largest chunk that these settings may cut fits the lanes' `max.message.bytes`; says what to change if not.
pub fn room_for_chunks(ingest: &IngestSettings) -> Result<(), String> {
    let largest = ingest.chunk_bytes.max(ingest.record_bytes) + CONTEXT_BYTES;
    for spec in declared("") {
        let Some(Scalar::Number(limit)) = spec.configs.get("max.message.bytes") else { continue };
        if spec.schema == "chunk.avsc" && largest as i64 > *limit {
            return Err(format!(
                "a chunk may have {largest} bytes with these settings, but topic {} takes messages of {limit}: \
                 lower ingest.chunk_bytes ({}) or ingest.record_bytes ({})",
                spec.name, ingest.chunk_bytes, ingest.record_bytes
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Lane;
    use crate::settings::Settings;

    #[test]
    fn every_declaration_is_readable_and_every_lane_is_declared() {
        let specs = declared("x.");
        assert_eq!(specs.len(), DECLARATIONS.len());
        for lane in Lane::ALL {
            assert!(specs.iter().any(|spec| spec.name == format!("x.{}", lane.topic())));
        }
    }

    #[test]
    fn every_topic_takes_the_time_from_the_broker() {
        for spec in declared("") {
            let value = spec.configs.get("message.timestamp.type").map(ToString::to_string);
            assert_eq!(value.as_deref(), Some("LogAppendTime"), "{}", spec.name);
        }
    }

    #[test]
    fn the_default_chunk_fits_its_lane_and_a_larger_record_is_refused_with_the_setting_to_change() {
        let mut ingest = Settings::default().ingest;
        assert_eq!(room_for_chunks(&ingest), Ok(()));
        ingest.record_bytes = 4 << 20;
        assert!(room_for_chunks(&ingest).is_err_and(|said| said.contains("ingest.record_bytes (4194304)")));
    }

    #[test]
    fn three_copies_need_two_in_sync() {
        let spec = declared("").remove(0).replicated(3);
        assert_eq!(spec.configs["min.insync.replicas"].to_string(), "2");
    }
}
