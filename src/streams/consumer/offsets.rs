//! Commits to Kafka what is in Postgres.

use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::warn;

use super::super::partition::Standing;
use super::Member;
use crate::faults;

const COMMIT_INTERVAL: Duration = Duration::from_millis(500);

impl Member<'_> {
    pub(super) fn commit_now_and_then(&mut self) {
        if self.committed_at.elapsed() >= COMMIT_INTERVAL {
            self.committed_at = Instant::now();
            self.commit(CommitMode::Async);
        }
    }

    /// For those who look at lag: what is loaded, never more.
    pub(super) fn commit(&mut self, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for held in &mut self.held {
            let Standing::Open { next, .. } = held.partition.standing() else { continue };
            if held.committed == Some(next) {
                continue;
            }
            held.committed = Some(next);
            let added =
                list.add_partition_offset(&held.partition.stream.topic, held.partition.number, Offset::Offset(next));
            debug_assert!(added.is_ok(), "offsets are not negative");
        }
        if list.count() == 0 {
            return;
        }
        if let Err(error) = faults::kafka("stream.offsets.before").and_then(|()| self.consumer.commit(&list, mode)) {
            warn!(%error, "offsets of streams were not committed: lag shows more than there is");
        }
        faults::point("stream.offsets.after");
    }
}
