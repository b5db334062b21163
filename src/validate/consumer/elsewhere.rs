//! Begins partitions elsewhere than where they were committed: behind a gap, or where `fabric recover` has put down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{error, warn};

use super::super::assignment::Standing;
use super::super::proof::Gap;
use super::{Held, Member};
use crate::{faults, kafka};

/// Between two looks at what `fabric recover` has put down.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

impl Member<'_> {
    /// The next message of a partition is gone from its log (or its topic was made anew): says so, and begins at what is
    /// there. What is loaded already is found in the ledger; what is missing makes its job incomplete.
    pub(super) fn begin_anew(&mut self, place: usize) -> Result<(), KafkaError> {
        let Held { assignment, committed, .. } = self.held.swap_remove(place);
        assignment.set_standing(Standing::Over);
        let (topic, partition) = (Arc::clone(&assignment.topic), assignment.partition);
        let from = assignment.committable().map(|done| done.next_offset).or(committed).unwrap_or(0);
        let (to, _) = self.consumer.fetch_watermarks(&topic, partition, kafka::ANSWER_TIMEOUT)?;
        let note = format!(
            "a gap in {topic} partition {partition}: the group had finished what comes before offset {from}, the log \
             now begins at {to}. What was between was deleted before it was read, or the topic was made anew"
        );
        error!("{note}");
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, partition);
        self.consumer.incremental_unassign(&list)?;
        let held = self.hold(&topic, partition, None, Vec::new())?;
        list.set_all_offsets(Offset::Offset(to))?;
        self.consumer.incremental_assign(&list)?;
        self.intake.ledger.note_gap(Gap { from, to, note }, Arc::clone(&held.assignment));
        self.open(vec![held]);
        Ok(())
    }

    /// Begins partitions again where `fabric recover` has put down that they do.
    pub(super) fn go_back(&mut self) -> Result<(), KafkaError> {
        if self.looked_back_at.elapsed() >= LOOK_INTERVAL {
            self.looked_back_at = Instant::now();
            self.intake.ledger.look_for_rewinds(self.held.iter().map(|held| Arc::clone(&held.assignment)).collect());
        }
        while let Some(place) = self.held.iter().position(|held| held.assignment.rewound_to().is_some()) {
            let Held { assignment, .. } = self.held.swap_remove(place);
            let Some(to) = assignment.rewound_to() else { continue };
            assignment.set_standing(Standing::Over);
            let (topic, partition) = (Arc::clone(&assignment.topic), assignment.partition);
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, partition);
            self.consumer.incremental_unassign(&list)?;
            let held = self.hold(&topic, partition, Some(to), Vec::new())?;
            list.set_all_offsets(Offset::Offset(to))?;
            self.consumer.incremental_assign(&list)?;
            faults::point("rewind.assigned");
            // Without the name of a chunk, so that whoever gets the partition next believes it.
            self.consumer.commit(&list, CommitMode::Sync)?;
            faults::point("rewind.committed");
            warn!(topic = &*topic, partition, to, "the partition begins again here: what is loaded already is skipped");
            self.intake.ledger.rewound(topic, partition);
            self.open(vec![held]);
        }
        Ok(())
    }
}
