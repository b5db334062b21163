//! Whether messages that somebody waits for can still be consumed, or the group is past them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::{Onlooker, Standing};

/// A topic that Kafka has not known for so long is gone: brokers learn of a new one, or of a new leader, within a second
/// or two.
const GONE_AFTER: Duration = Duration::from_secs(4);

/// What Kafka says of messages up to some offsets of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The last of them are still to be consumed, or nobody knows.
    ToCome,
    /// They are consumed, deleted, or the topic was made anew and does not reach there.
    Past,
    /// The topic is not there, or it was made anew with fewer partitions.
    NoTopic,
}

impl Onlooker {
    /// `last_offsets`: by partition, of the last message that is waited for. `timeout`: as for
    /// [`standings`](Self::standings).
    pub fn passage(
        &self,
        topic: &str,
        last_offsets: &BTreeMap<i32, i64>,
        timeout: Duration,
    ) -> Result<Passage, KafkaError> {
        let standings = self.standings(topic, timeout)?;
        let of = |partition: i32| standings.iter().find(|standing| standing.partition == partition);
        let mut passage = Passage::Past;
        for (&partition, &last) in last_offsets {
            match of(partition) {
                None => return Ok(Passage::NoTopic),
                Some(standing) if standing.is_past(last) => {}
                Some(_) => passage = Passage::ToCome,
            }
        }
        Ok(if standings.is_empty() { Passage::NoTopic } else { passage })
    }
}

impl Standing {
    /// Nothing up to `last` is still to be consumed.
    pub fn is_past(&self, last: i64) -> bool {
        let consumed = self.committed.is_some_and(|next| next > last);
        // Trimmed away; or the topic is a shorter one, made anew.
        consumed || self.low > last || self.high <= last
    }
}

/// Makes up its mind from what Kafka says one time after another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    /// Since when Kafka has said, each time, that the topic is not there.
    gone_since: Option<Instant>,
}

impl Loss {
    /// Whether the answer means that the messages will not come.
    pub fn hear(&mut self, answer: Passage, now: Instant) -> bool {
        if answer != Passage::NoTopic {
            self.gone_since = None;
            return answer == Passage::Past;
        }
        now.duration_since(*self.gone_since.get_or_insert(now)) >= GONE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_past_once_consumed_trimmed_or_gone_with_its_topic() {
        let standing = Standing { partition: 0, low: 0, high: 100, committed: None };
        assert!(!standing.is_past(42));
        assert!(!Standing { committed: Some(42), ..standing }.is_past(42));
        assert!(Standing { committed: Some(43), ..standing }.is_past(42));
        assert!(Standing { low: 43, ..standing }.is_past(42));
        assert!(Standing { high: 42, ..standing }.is_past(42));
    }

    #[test]
    fn a_topic_that_is_not_there_for_some_seconds_on_end_is_gone() {
        let began = Instant::now();
        let mut loss = Loss::default();
        assert!(!loss.hear(Passage::NoTopic, began));
        assert!(!loss.hear(Passage::ToCome, began + GONE_AFTER / 2));
        assert!(!loss.hear(Passage::NoTopic, began + GONE_AFTER));
        assert!(loss.hear(Passage::NoTopic, began + 2 * GONE_AFTER));
        assert!(loss.hear(Passage::Past, began));
    }
}
