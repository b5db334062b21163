//! Finds out where a partition begins: at Postgres' position, if its log still has that; whatever Kafka has committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use sqlx::PgPool;
use tracing::{error, info, warn};

use super::custody::Custody;
use super::partition::Partition;
use super::positions::{self, Position};
use crate::faults;
use crate::kafka;
use crate::postgres;
use crate::retry::Waits;
use crate::settings::Settings;
use crate::shutdown::Vital;

/// Between two looks at what a stream waits for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Opens partitions, and watches whether those that are open still stand where Postgres says.
pub struct Opener {
    pool: PgPool,
    settings: Settings,
    pub(super) client: Arc<BaseConsumer>,
    pub(super) custody: Custody,
    held: Mutex<Vec<Weak<Partition>>>,
}

/// The log of a partition.
struct Log {
    topic_id: String,
    /// Of the topic.
    partitions: i32,
    low: i64,
    high: i64,
}

enum Look {
    Begin(Position),
    /// For people; the partition waits.
    Wait(String),
}

impl Opener {
    pub fn new(pool: PgPool, settings: Settings, custody: Custody) -> Result<Arc<Self>, KafkaError> {
        let client = Arc::new(kafka::inquirer(&settings.kafka)?);
        Ok(Arc::new(Self { pool, settings, client, custody, held: Mutex::default() }))
    }

    /// From now on the partition is this member's.
    pub fn watches(&self, partition: &Arc<Partition>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.upgrade().is_some_and(|held| !held.is_over()));
        held.push(Arc::downgrade(partition));
    }

    /// Until it may begin, or is not this member's any more.
    pub async fn open(self: Arc<Self>, partition: Arc<Partition>) {
        let _vital = Vital;
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut said = String::new();
        while !partition.is_over() {
            let wait = match self.look(&partition).await {
                Ok(Look::Begin(position)) => {
                    info!(%partition, from = position.next_offset, "begins at the position in Postgres");
                    return partition.place(position.next_offset, position.topic_id.into());
                }
                Ok(Look::Wait(why)) => {
                    if why != said {
                        warn!(%partition, "{why}");
                        said = why;
                    }
                    LOOK_INTERVAL
                }
                Err(error) => {
                    let wait = waits.next_wait();
                    warn!(%partition, error, ?wait, "cannot find out where it begins: trying again");
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// As [`Self::open`], a while later.
    pub async fn open_after(self: Arc<Self>, wait: Duration, partition: Arc<Partition>) {
        tokio::time::sleep(wait).await;
        self.open(partition).await;
    }

    async fn look(&self, partition: &Partition) -> Result<Look, String> {
        let (feed, topic, number) = (partition.stream.feed.as_str(), partition.stream.topic.as_str(), partition.number);
        let Some(log) = self.log(topic, number).await? else {
            return Ok(Look::Wait(format!("topic {topic} has no partition {number}: it waits for it")));
        };
        let in_words = |error: sqlx::Error| postgres::describe(&error, &self.settings.postgres);
        let mut connection = self.pool.acquire().await.map_err(in_words)?;
        let place = (feed, topic, number);
        let position = positions::of(&mut connection, place, &log.topic_id, log.low).await.map_err(in_words)?;
        if position.paused {
            return Ok(Look::Wait(format!("is paused: `fabric streams resume {feed}` lets it go on")));
        }
        let Some(reason) = gap(topic, number, &position, &log) else {
            drop(connection);
            self.custody.begin(partition, position.next_offset, log.high).await.map_err(in_words)?;
            faults::step("stream.found").await;
            return Ok(Look::Begin(position));
        };
        let gap = (log.low, log.topic_id.as_str());
        if position.topic_id != log.topic_id {
            let vanished = positions::put_vanished(&mut *connection, (feed, topic), &log.topic_id, log.partitions);
            vanished.await.map_err(in_words)?;
        }
        let put = positions::put_gap(&mut *connection, place, &position, gap, &reason).await.map_err(in_words)?;
        if put {
            error!(%partition, "{reason}");
        }
        Ok(Look::Wait(format!("has a gap: `fabric streams accept-gap {feed}` goes on without what is missing")))
    }

    /// Puts down why a partition does not move on from where it stands.
    pub async fn put_parked(&self, place: (&str, &str, i32), at: i64, reason: &str) -> Result<(), sqlx::Error> {
        positions::put_parked(&self.pool, place, at, reason).await
    }

    /// `None`: there is no such partition.
    async fn log(&self, topic: &str, partition: i32) -> Result<Option<Log>, String> {
        let (client, topic, kafka) = (Arc::clone(&self.client), topic.to_owned(), self.settings.kafka.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let ask = || {
                let Some(topic_id) = kafka::topic_id(&client, &topic, kafka::ANSWER_TIMEOUT)? else { return Ok(None) };
                let count = kafka::partition_count(client.client(), &topic, kafka::ANSWER_TIMEOUT)?;
                let Some(partitions) = count.filter(|count| partition < *count) else { return Ok(None) };
                let (low, high) = client.fetch_watermarks(&topic, partition, kafka::ANSWER_TIMEOUT)?;
                Ok(Some(Log { topic_id, partitions, low, high }))
            };
            ask().map_err(|error: KafkaError| kafka::describe(&error, &kafka))
        });
        asked.await.map_err(|error| error.to_string())?
    }

    /// Opens partitions anew whose positions were moved by somebody else (a seek, a gap that was accepted, a pause), or
    /// whose topic was made anew.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.watch_positions().await;
            self.watch_topics().await;
        }
    }

    async fn watch_positions(self: &Arc<Self>) {
        let resting = self.resting();
        if resting.is_empty() {
            return;
        }
        let at: Vec<_> = resting
            .iter()
            .map(|(partition, at)| {
                let stream = &partition.stream;
                (stream.feed.clone(), stream.topic.clone(), partition.number, *at)
            })
            .collect();
        // Whoever loads says what is wrong with Postgres.
        let Ok(moved) = positions::moved(&self.pool, &at).await else { return };
        for (partition, at) in resting {
            let is_it =
                |(topic, number): &(String, i32)| *topic == partition.stream.topic && *number == partition.number;
            if moved.iter().any(is_it) && partition.reopen_at_rest(at) {
                tokio::spawn(Arc::clone(self).open(partition));
            }
        }
    }

    async fn watch_topics(self: &Arc<Self>) {
        let open: Vec<_> = self.held().into_iter().filter_map(|held| Some((held.open_topic_id()?, held))).collect();
        let topics: BTreeSet<String> = open.iter().map(|(_, partition)| partition.stream.topic.clone()).collect();
        if topics.is_empty() {
            return;
        }
        let client = Arc::clone(&self.client);
        let asked = tokio::task::spawn_blocking(move || {
            let id_of = |topic: String| Some((kafka::topic_id(&client, &topic, kafka::ANSWER_TIMEOUT).ok()??, topic));
            topics.into_iter().filter_map(id_of).map(|(id, topic)| (topic, id)).collect::<BTreeMap<_, _>>()
        });
        let Ok(ids) = asked.await else { return };
        for (topic_id, partition) in open {
            let now = ids.get(&partition.stream.topic);
            if now.is_some_and(|now| **now != *topic_id) && partition.reopen() {
                tokio::spawn(Arc::clone(self).open(partition));
            }
        }
    }

    fn resting(&self) -> Vec<(Arc<Partition>, i64)> {
        self.held().into_iter().filter_map(|partition| partition.rests_at().map(|at| (partition, at))).collect()
    }

    /// Those that are this member's.
    pub fn held(&self) -> Vec<Arc<Partition>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }
}

/// Why the log does not have what comes next; `None`: it does, or will.
fn gap(topic: &str, partition: i32, position: &Position, log: &Log) -> Option<String> {
    let next = position.next_offset;
    if position.topic_id != log.topic_id {
        return Some(format!(
            "topic {topic} was made anew: partition {partition} was loaded up to offset {next} of the one before, and what \
             came after that is gone. The new one begins at {}",
            log.low
        ));
    }
    if next < log.low {
        return Some(format!(
            "offsets {next} to {} of {topic} partition {partition} were deleted before they were loaded",
            log.low - 1
        ));
    }
    (next > log.high).then(|| {
        format!(
            "{topic} partition {partition} was loaded up to offset {next}, but its log ends at {}: Kafka has lost records \
             that are in Postgres, and may give their offsets to others",
            log.high
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_position_outside_the_log_or_of_another_topic() {
        let position = |next_offset| Position { topic_id: "A".into(), next_offset, gap: false, paused: false };
        let log = |id: &str| Log { topic_id: id.into(), partitions: 1, low: 10, high: 20 };
        for (next, id, words) in [
            (10, "A", None),
            (20, "A", None),
            (9, "A", Some("offsets 9 to 9 of t partition 0 were deleted")),
            (21, "A", Some("its log ends at 20")),
            (15, "B", Some("was made anew")),
        ] {
            let said = gap("t", 0, &position(next), &log(id));
            assert_eq!(said.is_some(), words.is_some(), "{next} {said:?}");
            assert!(said.unwrap_or_default().contains(words.unwrap_or_default()));
        }
    }
}
