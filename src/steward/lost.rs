//! Finds jobs whose chunks will not come: the consumers are past them, or the lane holds them no more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::live::LiveJob;
use crate::chunk::JobId;
use crate::ledger::JobState;
use crate::settings::KafkaSettings;

/// A job whose ledger has not grown for so long looks stuck; Kafka is asked about it no more often than that.
const STUCK_AFTER: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What is asked of Kafka about one job.
#[derive(Clone)]
struct Question {
    job: JobId,
    /// Chunks in the ledger when it was asked: the answer is of no use once there are more.
    chunks: u64,
    topic: String,
    last_offsets: BTreeMap<i32, i64>,
}

pub(super) struct LostChunks {
    kafka: KafkaSettings,
    /// Chunks in the ledger, and since when that many.
    seen: HashMap<JobId, (u64, Instant)>,
    asked: Option<(Instant, JoinHandle<Vec<Question>>)>,
}

/// How one partition of a lane stands to the last chunk that a job has on it.
#[derive(Debug, Clone, Copy)]
struct Standing {
    low: i64,
    /// One past the last message.
    high: i64,
    /// Next to be consumed; `None` where the group has committed nothing.
    committed: Option<i64>,
}

impl Standing {
    /// Nothing up to `last` is still to be consumed.
    fn is_past(self, last: i64) -> bool {
        let consumed = self.committed.is_some_and(|next| next > last);
        // Trimmed away; or the topic is a shorter one, made anew.
        consumed || self.low > last || self.high <= last
    }
}

impl LostChunks {
    pub(super) fn new(kafka: &KafkaSettings) -> Self {
        Self { kafka: kafka.clone(), seen: HashMap::new(), asked: None }
    }

    /// Jobs of `live` that lack chunks for good. Kafka answers between rounds, never within one; `live` must be read
    /// before this is called and after the call that asked: offsets are committed after the ledger, so a chunk that
    /// was consumed is in `live` by now.
    pub(super) async fn look(&mut self, live: &[LiveJob]) -> HashSet<JobId> {
        let now = Instant::now();
        let stuck = self.stuck(live, now);
        let mut lost = HashSet::new();
        if self.asked.as_ref().is_some_and(|(_, answer)| answer.is_finished())
            && let Some((_, answer)) = self.asked.take()
        {
            let current = |asked: &Question| stuck.iter().any(|q| q.job == asked.job && q.chunks == asked.chunks);
            lost.extend(answer.await.unwrap_or_default().iter().filter(|asked| current(asked)).map(|asked| asked.job));
        } else if self.asked.is_none() && !stuck.is_empty() {
            let kafka = self.kafka.clone();
            self.asked = Some((now, tokio::task::spawn_blocking(move || ask(&kafka, stuck))));
        }
        lost
    }

    fn stuck(&mut self, live: &[LiveJob], now: Instant) -> Vec<Question> {
        let waits = |job: &&LiveJob| {
            job.state == JobState::Loading
                && job.stated.is_some_and(|stated| job.totals.chunks + job.owed < stated.chunks)
        };
        let waiting: Vec<&LiveJob> = live.iter().filter(waits).collect();
        self.seen.retain(|job, _| waiting.iter().any(|waiting| waiting.job == *job));
        let mut stuck = Vec::new();
        for job in waiting {
            let seen = self.seen.entry(job.job).or_insert((job.totals.chunks, now));
            if seen.0 != job.totals.chunks {
                *seen = (job.totals.chunks, now);
            }
            if let Some(topic) = job.topic.clone().filter(|_| now.duration_since(seen.1) >= STUCK_AFTER) {
                let last_offsets = job.last_offsets.clone();
                stuck.push(Question { job: job.job, chunks: job.totals.chunks, topic, last_offsets });
            }
        }
        stuck
    }
}

/// Those whose consumers are past every last chunk. A Kafka that does not answer says nothing against a job.
fn ask(kafka: &KafkaSettings, questions: Vec<Question>) -> Vec<Question> {
    // Asked again no sooner than that, by whoever waits for this answer.
    std::thread::sleep(STUCK_AFTER / 2);
    let group = kafka.name("lanes");
    let client = crate::kafka::client_config(kafka, "steward")
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create::<BaseConsumer>();
    let consumer = match client {
        Ok(consumer) => consumer,
        Err(error) => {
            tracing::warn!(%error, "cannot ask Kafka about chunks that seem missing");
            return Vec::new();
        }
    };
    let past = |question: &Question| {
        is_past_all(&consumer, question).unwrap_or_else(|error| {
            tracing::warn!(job = %question.job, %error, "Kafka does not say how far a lane is consumed");
            false
        })
    };
    questions.into_iter().filter(past).collect()
}

fn is_past_all(consumer: &BaseConsumer, question: &Question) -> Result<bool, KafkaError> {
    let mut partitions = TopicPartitionList::new();
    for partition in question.last_offsets.keys() {
        partitions.add_partition(&question.topic, *partition);
    }
    let committed = consumer.committed_offsets(partitions, ANSWER_LIMIT)?;
    for (&partition, &last) in &question.last_offsets {
        let (low, high) = consumer.fetch_watermarks(&question.topic, partition, ANSWER_LIMIT)?;
        let committed = match committed.find_partition(&question.topic, partition).map(|found| found.offset()) {
            Some(Offset::Offset(next)) => Some(next),
            _ => None,
        };
        if !(Standing { low, high, committed }).is_past(last) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_past_once_consumed_trimmed_or_gone_with_its_topic() {
        let standing = Standing { low: 0, high: 100, committed: None };
        assert!(!standing.is_past(42));
        assert!(!Standing { committed: Some(42), ..standing }.is_past(42));
        assert!(Standing { committed: Some(43), ..standing }.is_past(42));
        assert!(Standing { low: 43, ..standing }.is_past(42));
        assert!(Standing { high: 42, ..standing }.is_past(42));
    }
}
