//! A validator of a test: runs until it is told to end.

use std::time::Duration;

use fabric::config::{Live, Prepares};
use fabric::settings::{KafkaSettings, Settings};
use fabric::shutdown::{self, Trigger};
use fabric::telemetry::{Health, Role};
use fabric::validate::{self, ValidateError};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::topics_of_own::Topics;

pub struct Member {
    trigger: Trigger,
    running: JoinHandle<Result<(), ValidateError>>,
}

pub fn settings(database: &Database, topics: &Topics) -> Settings {
    let mut settings =
        Settings { kafka: topics.kafka.clone(), postgres: database.settings.clone(), ..Settings::default() };
    settings.validate.grace = Duration::from_secs(5);
    settings
}

impl Member {
    pub fn start(settings: Settings) -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let pool = fabric::postgres::pool(&settings.postgres, "fabric validate").unwrap();
        let health = Health::new(Role::Validate);
        let live = Live::start(&settings, pool, health.clone(), Prepares::Plans).unwrap();
        Self { trigger, running: tokio::spawn(validate::run(settings, shutdown, health, live)) }
    }

    /// Ends it as SIGTERM does; panics where it does not end well within its grace.
    pub async fn end(self) {
        self.trigger.fire();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        ended.expect("it ends within its grace").unwrap().unwrap();
    }
}

/// What the group has committed of one partition, and with which metadata.
pub async fn committed(kafka: &KafkaSettings, topic: String, partition: i32) -> (Option<i64>, String) {
    let kafka = kafka.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut config = fabric::kafka::client_config(&kafka, "test");
        let consumer: BaseConsumer = config.set("group.id", kafka.name("lanes")).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, partition);
        let answer = consumer.committed_offsets(list, Duration::from_secs(10)).unwrap();
        let element = &answer.elements()[0];
        let next = if let Offset::Offset(next) = element.offset() { Some(next) } else { None };
        (next, element.metadata().to_owned())
    });
    asked.await.unwrap()
}
