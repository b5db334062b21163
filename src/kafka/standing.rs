//! How far the group has come on a topic: what each partition holds, and what is committed of it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::settings::KafkaSettings;

/// One partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub partition: i32,
    /// The first message that is still there.
    pub low: i64,
    /// Where the next message will stand.
    pub high: i64,
    /// The next message that the group has not finished; `None`: it has finished nothing yet.
    pub committed: Option<i64>,
}

impl Standing {
    /// Messages that are there and not finished.
    pub fn waiting(&self) -> u64 {
        self.waiting_before(self.high)
    }

    /// Those of them that stand before `offset`.
    pub fn waiting_before(&self, offset: i64) -> u64 {
        let next = self.committed.unwrap_or(self.low).max(self.low);
        (offset.min(self.high) - next).max(0).cast_unsigned()
    }

    /// Messages that were deleted before the group had finished them.
    pub fn gone_unread(&self) -> u64 {
        self.committed.map_or(0, |next| (self.low - next).max(0).cast_unsigned())
    }
}

/// Asks about a group without joining it. Every question blocks.
pub struct Onlooker {
    consumer: BaseConsumer,
}

impl Onlooker {
    /// Of the group that loads.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = super::client_config(settings, "onlooker");
        config.set("group.id", settings.name("lanes")).set("enable.auto.commit", "false");
        Ok(Self { consumer: config.create()? })
    }

    /// Every partition of a topic, in order; none where it is not there. `timeout` is of each question, of which there
    /// is one per partition and two more.
    pub fn standings(&self, topic: &str, timeout: Duration) -> Result<Vec<Standing>, KafkaError> {
        let count = super::partition_count(self.consumer.client(), topic, timeout)?.unwrap_or(0);
        if count == 0 {
            return Ok(vec![]);
        }
        let committed = self.consumer.committed_offsets(listed(topic, count, Offset::Invalid)?, timeout)?;
        (0..count)
            .map(|partition| {
                let (low, high) = self.consumer.fetch_watermarks(topic, partition, timeout)?;
                let committed = offset_of(&committed, topic, partition);
                Ok(Standing { partition, low, high, committed })
            })
            .collect()
    }

    /// For each of these partitions the first message that was appended at `millis` since 1970 or later; `None`: none was.
    pub fn first_since(
        &self,
        topic: &str,
        partitions: i32,
        millis: i64,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, KafkaError> {
        let times = listed(topic, partitions, Offset::Offset(millis))?;
        let found = self.consumer.offsets_for_times(times, timeout)?;
        Ok((0..partitions).map(|partition| offset_of(&found, topic, partition)).collect())
    }
}

fn listed(topic: &str, partitions: i32, offset: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

fn offset_of(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;

    #[test]
    fn what_waits_is_what_is_there_and_not_committed() {
        let standing = Standing { partition: 0, low: 10, high: 100, committed: Some(40) };
        assert_eq!((standing.waiting(), standing.waiting_before(55), standing.gone_unread()), (60, 15, 0));
        assert_eq!(Standing { committed: None, ..standing }.waiting(), 90);
        assert_eq!(standing.waiting_before(20), 0);
    }

    #[test]
    fn what_was_deleted_before_it_was_read_is_gone_and_waits_no_more() {
        let standing = Standing { partition: 0, low: 50, high: 100, committed: Some(40) };
        assert_eq!((standing.waiting(), standing.gone_unread()), (50, 10));
        assert_eq!(Standing { committed: None, ..standing }.gone_unread(), 0);
    }
}
