//! Finds jobs whose chunks will not come: the consumers are past them, or the lane holds them no more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::live::LiveJob;
use crate::chunk::JobId;
use crate::kafka::{Loss, Onlooker, Passage};
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
    seen: HashMap<JobId, Sight>,
    asked: Option<JoinHandle<Vec<(Question, Passage)>>>,
}

/// How a job that waits for chunks was last seen.
#[derive(Debug, Clone, Copy)]
struct Sight {
    /// In the ledger, and since when that many.
    chunks: u64,
    since: Instant,
    loss: Loss,
}

impl Sight {
    fn new(chunks: u64, since: Instant) -> Self {
        Self { chunks, since, loss: Loss::default() }
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
                if sight.is_some_and(|sight| sight.loss.hear(answer, now)) {
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
fn ask(kafka: &KafkaSettings, questions: Vec<Question>) -> Vec<(Question, Passage)> {
    // Asked again no sooner than that, by whoever waits for this answer.
    std::thread::sleep(STUCK_AFTER / 2);
    let onlooker = match Onlooker::new(kafka) {
        Ok(onlooker) => onlooker,
        Err(error) => {
            tracing::warn!(%error, "cannot ask Kafka about chunks that seem missing");
            return Vec::new();
        }
    };
    let answer = |question: Question| {
        let passage = onlooker.passage(&question.topic, &question.last_offsets, ANSWER_LIMIT);
        let answer = passage.unwrap_or_else(|error| {
            tracing::warn!(job = %question.job, %error, "Kafka does not say how far a lane is consumed");
            Passage::ToCome
        });
        (question, answer)
    };
    questions.into_iter().map(answer).collect()
}
