//! Finds jobs whose chunks will not come: the consumers are past them, or the lane holds them no more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
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
/// A topic that Kafka has not known for so long is gone: brokers learn of a new one, or of a new leader, within a second
/// or two.
const GONE_AFTER: Duration = Duration::from_secs(4);

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
    seen: HashMap<JobId, Sight>,
    asked: Option<JoinHandle<Vec<(Question, Answer)>>>,
}

/// How a job that waits for chunks was last seen.
#[derive(Debug, Clone, Copy)]
struct Sight {
    /// In the ledger, and since when that many.
    chunks: u64,
    since: Instant,
    /// Since when Kafka has said, each time, that the topic is not there.
    gone_since: Option<Instant>,
}

impl Sight {
    const fn new(chunks: u64, since: Instant) -> Self {
        Self { chunks, since, gone_since: None }
    }

    /// Whether the answer means that the job's chunks will not come.
    fn hear(&mut self, answer: Answer, now: Instant) -> bool {
        if answer != Answer::NoTopic {
            self.gone_since = None;
            return answer == Answer::Past;
        }
        now.duration_since(*self.gone_since.get_or_insert(now)) >= GONE_AFTER
    }
}

/// What Kafka says of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Its last chunks are still to be consumed, or nobody knows.
    ToCome,
    Past,
    /// The topic is not there.
    NoTopic,
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
        if let Some(answer) = self.asked.take_if(|answer| answer.is_finished()) {
            for (asked, answer) in answer.await.unwrap_or_default() {
                let sight = self.seen.get_mut(&asked.job).filter(|sight| sight.chunks == asked.chunks);
                if sight.is_some_and(|sight| sight.hear(answer, now)) {
                    lost.insert(asked.job);
                }
            }
        } else if self.asked.is_none() && !stuck.is_empty() {
            let kafka = self.kafka.clone();
            self.asked = Some(tokio::task::spawn_blocking(move || ask(&kafka, stuck)));
        }
        lost
    }

    fn stuck(&mut self, live: &[LiveJob], now: Instant) -> Vec<Question> {
        let waits = |job: &&LiveJob| {
            // Of owed chunks only those are to come that were sent again.
            let set_aside = job.owed.chunks - job.owed.sent;
            let lacks = job.stated.is_some_and(|stated| job.totals.chunks + set_aside < stated.chunks);
            match job.state {
                JobState::Loading => lacks,
                JobState::Parked => lacks && job.owed.sent > 0,
                _ => false,
            }
        };
        let waiting: Vec<&LiveJob> = live.iter().filter(waits).collect();
        self.seen.retain(|job, _| waiting.iter().any(|waiting| waiting.job == *job));
        let mut stuck = Vec::new();
        for job in waiting {
            let chunks = job.totals.chunks;
            let sight = self.seen.entry(job.job).or_insert(Sight::new(chunks, now));
            if sight.chunks != chunks {
                *sight = Sight::new(chunks, now);
            }
            if let Some(topic) = job.topic.clone().filter(|_| now.duration_since(sight.since) >= STUCK_AFTER) {
                stuck.push(Question { job: job.job, chunks, topic, last_offsets: job.last_offsets.clone() });
            }
        }
        stuck
    }
}

/// What Kafka says of each. A Kafka that does not answer says nothing against a job.
fn ask(kafka: &KafkaSettings, questions: Vec<Question>) -> Vec<(Question, Answer)> {
    // Asked again no sooner than that, by whoever waits for this answer.
    std::thread::sleep(STUCK_AFTER / 2);
    let client = crate::kafka::client_config(kafka, "steward")
        .set("group.id", kafka.name("lanes"))
        .set("enable.auto.commit", "false")
        .create::<BaseConsumer>();
    let consumer = match client {
        Ok(consumer) => consumer,
        Err(error) => {
            tracing::warn!(%error, "cannot ask Kafka about chunks that seem missing");
            return Vec::new();
        }
    };
    let answer = |question: Question| {
        let answer = look_up(&consumer, &question).unwrap_or_else(|error| {
            tracing::warn!(job = %question.job, %error, "Kafka does not say how far a lane is consumed");
            Answer::ToCome
        });
        (question, answer)
    };
    questions.into_iter().map(answer).collect()
}

fn look_up(consumer: &BaseConsumer, question: &Question) -> Result<Answer, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(&question.topic), ANSWER_LIMIT)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == question.topic);
    Ok(match topic.map(|topic| (topic.error(), topic.partitions())) {
        None | Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), _)) => Answer::NoTopic,
        // It was made anew, with fewer partitions.
        Some((None, found)) if question.last_offsets.keys().any(|p| found.iter().all(|f| f.id() != *p)) => {
            Answer::NoTopic
        }
        Some(_) if is_past_all(consumer, question)? => Answer::Past,
        Some(_) => Answer::ToCome,
    })
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

    #[test]
    fn a_topic_that_is_not_there_for_some_seconds_on_end_is_gone() {
        let began = Instant::now();
        let mut sight = Sight::new(3, began);
        assert!(!sight.hear(Answer::NoTopic, began));
        assert!(!sight.hear(Answer::ToCome, began + GONE_AFTER / 2));
        assert!(!sight.hear(Answer::NoTopic, began + GONE_AFTER));
        assert!(sight.hear(Answer::NoTopic, began + 2 * GONE_AFTER));
        assert!(sight.hear(Answer::Past, began));
    }
}
