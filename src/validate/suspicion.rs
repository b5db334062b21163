//! Which deliveries of a partition may have killed the process that held it before: the first ones, until they are done.
//!
//! Whoever dies without a word may have been killed from outside, or by a chunk that it had in hand. What it can have had
//! in hand stands behind the last commit, and is no more than its lane's budget. Nothing else is taken of the partition
//! before those are done and committed, so that each process that dies at such a partition leaves it further on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::budget::Share;
use crate::chunk::ChunkId;

/// Deliveries that are tried alone, at most: small ones, of which a budget holds thousands, cost a statement each.
const MOST: u32 = 128;
/// What was in hand then is in the log, and comes at once: after so long without a delivery there is no more of it.
const QUIET: Duration = Duration::from_secs(5);

/// What is on record of a chunk that was tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Tries that their process did not live through.
    pub deaths: u32,
    /// `None` where it did not come to be known.
    pub chunk: Option<ChunkId>,
}

/// Of one assignment.
#[derive(Debug)]
pub struct Suspicion {
    earlier: HashMap<i64, Note>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    taken: u32,
    /// As the lane's budget weighs them.
    bytes: usize,
    /// Taken and not done.
    pending: usize,
    last_taken: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Suspecting,
    /// All that it may have been are taken: the rest waits until they are done.
    HoldingBack,
    Settled,
}

impl Suspicion {
    /// `earlier`: what is on record of the partition's chunks, by offset.
    pub fn new(earlier: HashMap<i64, Note>, now: Instant) -> Self {
        let state = State { phase: Phase::Suspecting, taken: 0, bytes: 0, pending: 0, last_taken: now };
        Self { earlier, state: Mutex::new(state) }
    }

    /// A delivery is taken: what is on record of it, where it is to be tried alone.
    pub fn take(&self, offset: i64, share: &Share, now: Instant) -> Option<Note> {
        let mut state = self.state();
        if state.phase == Phase::Settled {
            return None;
        }
        state.taken += 1;
        state.bytes += share.bytes();
        state.pending += 1;
        state.last_taken = now;
        if state.taken >= MOST || state.bytes >= share.limit() {
            state.phase = Phase::HoldingBack;
        }
        Some(self.earlier.get(&offset).copied().unwrap_or(Note { deaths: 0, chunk: None }))
    }

    /// One that was to be tried alone is finished.
    pub fn done(&self) {
        let mut state = self.state();
        state.pending = state.pending.saturating_sub(1);
    }

    pub fn holds_back(&self) -> bool {
        self.state().phase == Phase::HoldingBack
    }

    pub fn is_settled(&self) -> bool {
        self.state().phase == Phase::Settled
    }

    /// Whether all that it may have been are done, and only wait to be committed.
    pub fn is_to_settle(&self, now: Instant) -> bool {
        let state = self.state();
        let all = match state.phase {
            Phase::Suspecting => now.duration_since(state.last_taken) >= QUIET,
            Phase::HoldingBack => true,
            Phase::Settled => false,
        };
        all && state.pending == 0
    }

    pub fn settle(&self) {
        self.state().phase = Phase::Settled;
    }

    /// Each change of it is complete before anything could panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::budget::Budget;

    const FRESH: Option<Note> = Some(Note { deaths: 0, chunk: None });

    #[test]
    fn what_a_budget_holds_is_suspect_and_the_rest_waits_until_that_is_done() {
        let (budget, now) = (Budget::new(100_000, std::thread::current()), Instant::now());
        let known = Note { deaths: 1, chunk: None };
        let suspicion = Suspicion::new(HashMap::from([(8, known)]), now);
        assert_eq!(suspicion.take(7, &budget.take(20_000), now), FRESH);
        assert!(!suspicion.holds_back());
        assert_eq!(suspicion.take(8, &budget.take(40_000), now), Some(known));
        assert!(suspicion.holds_back() && !suspicion.is_to_settle(now));
        suspicion.done();
        suspicion.done();
        assert!(suspicion.holds_back() && suspicion.is_to_settle(now));
        suspicion.settle();
        assert!(suspicion.is_settled() && !suspicion.holds_back());
        assert_eq!(suspicion.take(9, &budget.take(1), now), None);
    }

    #[test]
    fn small_messages_are_counted() {
        let (budget, now) = (Budget::new(1 << 30, std::thread::current()), Instant::now());
        let suspicion = Suspicion::new(HashMap::new(), now);
        let taken = (0..i64::from(MOST)).take_while(|offset| {
            assert!(suspicion.take(*offset, &budget.take(1), now).is_some());
            !suspicion.holds_back()
        });
        assert_eq!(taken.count() as u32, MOST - 1);
    }

    #[test]
    fn a_partition_that_is_quiet_is_above_suspicion() {
        let (budget, now) = (Budget::new(100_000, std::thread::current()), Instant::now());
        let suspicion = Suspicion::new(HashMap::new(), now);
        assert!(!suspicion.is_to_settle(now) && suspicion.is_to_settle(now + QUIET));
        suspicion.take(0, &budget.take(1), now + QUIET);
        assert!(!suspicion.is_to_settle(now + 3 * QUIET), "it is not done");
        suspicion.done();
        assert!(suspicion.is_to_settle(now + 3 * QUIET));
    }
}
