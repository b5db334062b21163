//! Finds that what a publisher waits for will not be loaded: the validators are past its chunks, or the lane holds them
//! no more (its records were deleted, or the topic was made anew).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::jobs::Backlog;
use crate::kafka::{Loss, Onlooker, Passage};
use crate::settings::KafkaSettings;

/// A full backlog of which nothing has been loaded for so long is asked about, no more often than that.
const STILL_FOR: Duration = Duration::from_secs(5);
/// Of one question to Kafka.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Watches one publishing run.
pub struct Vigil {
    kafka: KafkaSettings,
    topic: String,
    loaded: u64,
    still_since: Instant,
    loss: Loss,
    asked: Option<JoinHandle<Passage>>,
}

/// What Kafka has said. Ask for the backlog after it is there: offsets are committed after the ledger.
pub struct Answer(Option<Passage>);

impl Vigil {
    pub fn new(kafka: &KafkaSettings, topic: &str) -> Self {
        Self {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            loaded: 0,
            still_since: Instant::now(),
            loss: Loss::default(),
            asked: None,
        }
    }

    /// The backlog has room: there is nothing to wait for.
    pub fn rest(&mut self) {
        self.still_since = Instant::now();
        self.asked = None;
    }

    pub async fn answer(&mut self) -> Answer {
        Answer(match self.asked.take_if(|asked| asked.is_finished()) {
            Some(asked) => asked.await.ok(),
            None => None,
        })
    }

    /// Whether `backlog` will never shrink. `acknowledged`: the last offset of each partition, of all that was sent;
    /// `None` while something of it is on its way to Kafka.
    pub fn look(&mut self, answer: Answer, backlog: Backlog, acknowledged: Option<BTreeMap<i32, i64>>) -> bool {
        let now = Instant::now();
        // What waits for its target comes again.
        if backlog.loaded != self.loaded || backlog.waits_for_target {
            self.loaded = backlog.loaded;
            self.loss = Loss::default();
            self.rest();
            return false;
        }
        if let Some(passage) = answer.0 {
            self.still_since = now;
            return self.loss.hear(passage, now);
        }
        if let Some(last_offsets) = acknowledged.filter(|_| self.is_due(now)) {
            let (kafka, topic) = (self.kafka.clone(), self.topic.clone());
            self.asked = Some(tokio::task::spawn_blocking(move || ask(&kafka, &topic, &last_offsets)));
        }
        false
    }

    fn is_due(&self, now: Instant) -> bool {
        self.asked.is_none() && now.duration_since(self.still_since) >= STILL_FOR
    }
}

/// A Kafka that does not answer says nothing about chunks.
fn ask(kafka: &KafkaSettings, topic: &str, last_offsets: &BTreeMap<i32, i64>) -> Passage {
    let onlooker = Onlooker::new(kafka);
    onlooker.and_then(|onlooker| onlooker.passage(topic, last_offsets, ANSWER_LIMIT)).unwrap_or_else(|error| {
        tracing::warn!(%error, "Kafka does not say how far a lane is consumed");
        Passage::ToCome
    })
}
