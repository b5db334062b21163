//! The config topic into news: a thread with a consumer of its own, in no group, which commits nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc::Sender;

use crate::config::{CONFIG_TOPIC, ConfigEvent, TOMBSTONE_HEADER, Thing};
use crate::kafka;
use crate::settings::KafkaSettings;
use crate::telemetry::catalog::CONFIG_EVENTS;

/// How long the end of the process may have to wait.
const POLL: Duration = Duration::from_millis(100);
/// Between two questions whether Kafka answers and where the log stands.
const PROBE: Duration = Duration::from_secs(1);
/// Whoever has not answered by then does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Before another try where the topic cannot be read.
const AGAIN: Duration = Duration::from_millis(500);

/// What the reader tells.
#[derive(Debug)]
pub enum News {
    /// What comes now is from the begin of the topic.
    Begins,
    Message {
        thing: Thing,
        /// `None`: it cannot be read.
        event: Option<ConfigEvent>,
    },
    /// The end that was seen at the begin is reached.
    Ends,
    /// Every message that stood in the topic at that time has been told.
    UpToDate { at: Instant },
    /// Whether the topic can be followed; why not, for people.
    Follows(Result<(), String>),
}

pub struct Reader {
    kafka: KafkaSettings,
    topic: String,
    news: Sender<News>,
    stop: Arc<AtomicBool>,
}

/// Why one reading of the topic has ended.
enum Ended {
    /// Nobody listens any more.
    Stopped,
    /// What was read is not what stands there: it is to be read from its begin.
    Gap(String),
}

type Consumer = BaseConsumer<Quiet>;

/// The end of a partition is no error, and what else goes wrong this reader says in its own words.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the config topic");
    }
}

impl ConsumerContext for Quiet {}

/// First offset of a partition's log and one past its last.
type Log = BTreeMap<i32, (i64, i64)>;

impl Reader {
    pub fn new(kafka: &KafkaSettings, news: Sender<News>, stop: Arc<AtomicBool>) -> Self {
        Self { kafka: kafka.clone(), topic: kafka.name(CONFIG_TOPIC), news, stop }
    }

    /// Reads until it is stopped or nobody listens.
    pub fn run(self) {
        let mut said = String::new();
        while !self.is_over() {
            match self.read_once() {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Gap(why)) => tracing::warn!("the config topic is read from its begin again: {why}"),
                Err(why) => {
                    if why != said {
                        tracing::warn!("{why}\n  What is active is read of Postgres every second meanwhile.");
                        said.clone_from(&why);
                    }
                    if self.news.blocking_send(News::Follows(Err(why))).is_err() {
                        return;
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.news.is_closed()
    }

    /// From the begin of the topic, for as long as it is the same one and Kafka answers. The error is for people.
    fn read_once(&self) -> Result<Ended, String> {
        let in_words = |error: KafkaError| kafka::describe(&error, &self.kafka);
        let (consumer, asker) = (self.consumer().map_err(in_words)?, self.consumer().map_err(in_words)?);
        let begin = self.log(&asker)?;
        let mut list = TopicPartitionList::new();
        for partition in begin.keys() {
            list.add_partition_offset(&self.topic, *partition, Offset::Beginning).map_err(in_words)?;
        }
        consumer.assign(&list).map_err(in_words)?;
        self.follow(&consumer, &asker, begin)
    }

    /// `asker` asks where the log stands: a broker answers one connection's requests in order, and on the consumer's own
    /// the question would wait behind a fetch that waits for a message, half a second each.
    fn follow(&self, consumer: &Consumer, asker: &Consumer, begin: Log) -> Result<Ended, String> {
        if self.tell(News::Begins) {
            return Ok(Ended::Stopped);
        }
        let mut next: BTreeMap<i32, i64> = begin.iter().map(|(partition, (low, _))| (*partition, *low)).collect();
        let (mut folded, mut probed) = (false, Instant::now());
        while !self.is_over() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    next.insert(message.partition(), message.offset() + 1);
                    if self.hear(&message) {
                        return Ok(Ended::Stopped);
                    }
                }
                // The last messages of a compacted log may be gone.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let end = begin.get(&partition).map_or(0, |(_, end)| *end);
                    let reached = next.entry(partition).or_insert(end);
                    *reached = end.max(*reached);
                }
                Some(Err(error)) if is_gap(&error) => return Ok(Ended::Gap(error.to_string())),
                Some(Err(error)) => tracing::debug!(%error, "the config topic"),
                None => {}
            }
            let at_end = || begin.iter().all(|(partition, (_, end))| next.get(partition).is_some_and(|at| at >= end));
            if !folded && at_end() {
                folded = true;
                if self.tell(News::Ends) || self.tell(News::Follows(Ok(()))) {
                    return Ok(Ended::Stopped);
                }
            }
            if probed.elapsed() >= PROBE {
                let at = Instant::now();
                let log = self.log(asker);
                probed = Instant::now();
                if let Some(why) = log.as_ref().ok().and_then(|log| gap(&begin, &next, log)) {
                    return Ok(Ended::Gap(why));
                }
                let reaches =
                    |(partition, (_, end)): (&i32, &(i64, i64))| next.get(partition).is_some_and(|next| next >= end);
                let up_to_date = log.as_ref().is_ok_and(|log| log.iter().all(reaches));
                let follows = self.tell(News::Follows(log.map(drop)));
                if follows || (up_to_date && self.tell(News::UpToDate { at })) {
                    return Ok(Ended::Stopped);
                }
            }
        }
        Ok(Ended::Stopped)
    }

    fn consumer(&self) -> Result<Consumer, KafkaError> {
        kafka::client_config(&self.kafka, "config")
            // Partitions are assigned by hand and nothing is committed: the group is a name that librdkafka wants.
            .set("group.id", self.kafka.name("config"))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // An offset that is not there is a gap, to be noticed.
            .set("auto.offset.reset", "error")
            // A request whose answer was lost is sent again soon.
            .set("socket.timeout.ms", "5000")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "20")
            .create_with_context(Quiet)
    }

    /// Blocks for a second or two at most.
    fn log(&self, asker: &Consumer) -> Result<Log, String> {
        let in_words = |error: KafkaError| kafka::describe(&error, &self.kafka);
        let count = kafka::partition_count(asker.client(), &self.topic, PATIENCE).map_err(in_words)?;
        let count = count.ok_or_else(|| format!("topic {} is not there: run `fabric topics apply`.", self.topic))?;
        let watermarks = |partition| {
            let log = asker.fetch_watermarks(&self.topic, partition, PATIENCE).map_err(in_words)?;
            Ok((partition, log))
        };
        (0..count).map(watermarks).collect()
    }

    /// Whether nobody listens any more.
    fn hear(&self, message: &BorrowedMessage<'_>) -> bool {
        let thing = match Thing::of_key(message.key()) {
            Ok(thing) => thing,
            Err(error) => {
                set_aside(message, &error);
                return false;
            }
        };
        let tombstone = message.headers().and_then(|headers| {
            headers.iter().find(|header| header.key == TOMBSTONE_HEADER).and_then(|header| header.value)
        });
        let event = ConfigEvent::decode(&thing, message.payload().or(tombstone));
        let event = event.inspect_err(|error| set_aside(message, error)).ok();
        self.tell(News::Message { thing, event })
    }

    fn tell(&self, news: News) -> bool {
        self.news.blocking_send(news).is_err()
    }
}

fn set_aside(message: &BorrowedMessage<'_>, error: &super::super::EventError) {
    CONFIG_EVENTS.add(&["set_aside"], 1);
    let (partition, offset) = (message.partition(), message.offset());
    tracing::warn!(partition, offset, "a message of the config topic is set aside: {error}");
}

/// The topic is gone, or does not reach to where this reader stands.
fn is_gap(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
        )
    )
}

/// Why the log is not the one that was read; `None`: it is.
fn gap(begin: &Log, next: &BTreeMap<i32, i64>, log: &Log) -> Option<String> {
    log.iter().find_map(|(partition, (low, end))| match begin.get(partition) {
        None => Some(format!("it has partition {partition} now")),
        Some((first, _)) if low > first => Some(format!("its messages before offset {low} were deleted")),
        Some(_) if next.get(partition).is_some_and(|next| next > end) => {
            Some(format!("it ends at offset {end} now: it was made anew"))
        }
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(low: i64, end: i64) -> Log {
        BTreeMap::from([(0, (low, end))])
    }

    #[test]
    fn a_log_that_was_truncated_or_made_anew_is_a_gap() {
        let next = BTreeMap::from([(0, 10)]);
        assert_eq!(gap(&log(0, 10), &next, &log(0, 10)), None);
        assert_eq!(gap(&log(0, 8), &next, &log(0, 25)), None);
        assert!(gap(&log(0, 10), &next, &log(10, 10)).unwrap().contains("before offset 10 were deleted"));
        assert!(gap(&log(0, 10), &next, &log(0, 3)).unwrap().contains("made anew"));
        let wider = BTreeMap::from([(0, (0, 10)), (1, (0, 0))]);
        assert!(gap(&log(0, 10), &next, &wider).unwrap().contains("partition 1"));
    }
}
