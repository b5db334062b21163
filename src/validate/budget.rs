//! Bounds the bytes of chunks that a lane holds in this process, from consumed to finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

use crate::chunk::Lane;
use crate::telemetry::catalog::{QUEUE_BYTES, QUEUE_LIMIT_BYTES};
use crate::telemetry::sample;

/// A message weighs at least this, whatever its payload: what a task and its bookkeeping take.
const LEAST_WEIGHT: usize = 4 << 10;

/// Until it is judged, a message is taken for what most come to: itself and its rows.
const HELD_PER_BYTE: usize = 2;

/// One lane's bytes. Wakes the polling thread when some come back.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
    poller: Thread,
}

/// Bytes of one message and of what is made of it; they come back when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Budget {
    pub fn new(limit: usize, poller: Thread) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), poller })
    }

    /// Shows it in the metrics as that of a lane.
    pub fn watch(self: &Arc<Self>, lane: Lane) {
        sample(self, move |budget, set| {
            set(&QUEUE_BYTES, &[lane.as_str()], budget.held.load(Ordering::Relaxed) as f64);
            set(&QUEUE_LIMIT_BYTES, &[lane.as_str()], budget.limit as f64);
        });
    }

    /// Whether another message may be taken. The limit is overshot by that one message, since its size is known only
    /// once it is here, and by what judged chunks turn out to hold beyond the estimate.
    pub fn has_room(&self) -> bool {
        self.held.load(Ordering::Acquire) < self.limit
    }

    pub fn take(self: &Arc<Self>, message_bytes: usize) -> Share {
        let bytes = (HELD_PER_BYTE * message_bytes).max(LEAST_WEIGHT);
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Share { budget: Arc::clone(self), bytes: AtomicUsize::new(bytes) }
    }
}

impl Share {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Of the budget that it is a share of.
    pub fn limit(&self) -> usize {
        self.budget.limit
    }

    /// What the message holds now.
    pub fn weigh(&self, bytes: usize) {
        let bytes = bytes.max(LEAST_WEIGHT);
        let held = self.bytes.swap(bytes, Ordering::AcqRel);
        match bytes.checked_sub(held) {
            Some(more) => _ = self.budget.held.fetch_add(more, Ordering::AcqRel),
            None => self.give(held - bytes),
        }
    }

    fn give(&self, bytes: usize) {
        self.budget.held.fetch_sub(bytes, Ordering::AcqRel);
        self.budget.poller.unpark();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give(self.bytes.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_when_a_message_is_done_with() {
        let budget = Budget::new(30_000, std::thread::current());
        let first = budget.take(14_999);
        assert!(budget.has_room());
        let second = budget.take(1);
        assert!(!budget.has_room());
        drop(first);
        assert!(budget.has_room());
        drop(second);
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_judged_chunk_weighs_what_it_holds() {
        let budget = Budget::new(30_000, std::thread::current());
        let share = budget.take(5_000);
        share.weigh(30_000);
        assert!(!budget.has_room());
        share.weigh(12_000);
        assert_eq!(budget.held.load(Ordering::Acquire), 12_000);
        drop(share);
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
    }

    #[test]
    fn only_bytes_that_come_back_wake_the_poller() {
        const WHILE: std::time::Duration = std::time::Duration::from_millis(50);
        let budget = Budget::new(100_000, std::thread::current());
        let sleeps = || {
            let began = std::time::Instant::now();
            std::thread::park_timeout(WHILE);
            began.elapsed() >= WHILE
        };
        let share = budget.take(5_000);
        share.weigh(30_000);
        share.weigh(30_000);
        assert!(sleeps());
        share.weigh(29_999);
        assert!(!sleeps());
        drop(share);
        assert!(!sleeps());
    }
}
