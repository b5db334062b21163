//! Builds configured Kafka clients, and says in people's words why one does not answer.

use rdkafka::ClientConfig;

use crate::chunk::Lane;
use crate::settings::KafkaSettings;

/// What every client of ours starts from: brokers, the operator's properties, client id, log level.
pub fn client_config(settings: &KafkaSettings, role: &str) -> ClientConfig {
    let _ = (settings, role);
    todo!()
}

impl KafkaSettings {
    /// `chunks.normal` → `fabric.chunks.normal`; also for groups (`lanes`).
    pub fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    pub fn lane_topic(&self, lane: Lane) -> String {
        self.name(lane.topic())
    }
}
