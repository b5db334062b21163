//! Hears of rebalances from librdkafka and puts them aside: the polling thread acts on them between two polls, where it
//! has its partitions at hand and may wait for chunks in flight.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, warn};

/// What the group wants of this member.
#[derive(Debug)]
pub enum Rebalance {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

/// The consumer's context.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    commit_failed: AtomicBool,
}

impl Mailbox {
    /// The next rebalance to act on. Each must be answered by an (un)assign: the group waits for it.
    pub fn next(&self) -> Option<Rebalance> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether a commit has failed since this was asked last.
    pub fn take_commit_failure(&self) -> bool {
        self.commit_failed.swap(false, Ordering::AcqRel)
    }

    /// From here on partitions are given up at once, by the consumer's own close.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Mailbox {
    fn error(&self, error: KafkaError, reason: &str) {
        // librdkafka connects again by itself; what matters to people is said where something is waited for.
        debug!(%error, reason, "librdkafka reports an error");
    }
}

impl ConsumerContext for Mailbox {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<_> = list.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered =
                if assigned { consumer.incremental_assign(list) } else { consumer.incremental_unassign(list) };
            if let Err(error) = answered {
                debug!(%error, "the group's last word was not taken");
            }
            return;
        }
        let rebalance = if assigned { Rebalance::Assign(partitions) } else { Rebalance::Revoke(partitions) };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        // The result is an error only where every partition failed.
        let each = || offsets.elements().iter().try_for_each(|element| element.error());
        if let Err(error) = result.and_then(|()| each()) {
            self.commit_failed.store(true, Ordering::Release);
            // Nothing is lost: a later commit covers it, or its chunks come again and are found in the ledger.
            warn!(%error, "offsets were not committed");
        }
    }
}
