//! Bounds the bytes of chunks that a lane holds in this process, from consumed to finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

/// A message weighs at least this, whatever its payload: what a task and its bookkeeping take.
const LEAST_WEIGHT: usize = 4 << 10;

/// One lane's bytes. Wakes the polling thread when some come back.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
    poller: Thread,
}

/// Bytes of one message; they come back when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub fn new(limit: usize, poller: Thread) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), poller })
    }

    /// Whether another message may be taken. The limit is overshot by that one message at most, since its size is
    /// known only once it is here.
    pub fn has_room(&self) -> bool {
        self.held.load(Ordering::Acquire) < self.limit
    }

    pub fn take(self: &Arc<Self>, bytes: usize) -> Share {
        let bytes = bytes.max(LEAST_WEIGHT);
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Share { budget: Arc::clone(self), bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.poller.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_when_a_message_is_done_with() {
        let budget = Budget::new(10_000, std::thread::current());
        let first = budget.take(9_999);
        assert!(budget.has_room());
        let second = budget.take(1);
        assert!(!budget.has_room());
        drop(first);
        assert!(budget.has_room());
        drop(second);
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
    }
}
