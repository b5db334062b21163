//! One partition while it is assigned to this member: what is in flight of it, and whether it still may be worked on.
//!
//! A partition that goes and comes back is another [`Assignment`]: what was in flight of the first can never move the
//! offsets of the second.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Instant;

use super::ages::{Ages, Behind};
use super::budget::Share;
use super::suspicion::{Note, Suspicion};
use crate::chunk::{Delivery, Lane};
use crate::faults::{self, Defect};
use crate::ledger::{Committable, Finish, Progress};

/// Whether chunks of a partition may be taken and worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// It is asked who held it before, and its last commit is compared with the ledger; nothing is taken yet.
    Proving = 0,
    Open = 1,
    /// Kafka knows of loaded chunks that Postgres does not; nothing is taken.
    Refused = 2,
    /// Revoked, lost, or the process ends: what is in flight is given up at its next step.
    Over = 3,
}

#[derive(Debug)]
pub struct Assignment {
    pub lane: Lane,
    pub topic: Arc<str>,
    pub partition: i32,
    standing: AtomicU8,
    progress: Mutex<Progress>,
    ages: Mutex<Ages>,
    /// Not set: it is not known yet how its last holder ended.
    suspicion: OnceLock<Option<Suspicion>>,
    /// Where it is to begin again instead.
    rewind: OnceLock<i64>,
    poller: Thread,
}

impl Assignment {
    pub fn new(lane: Lane, topic: Arc<str>, partition: i32, poller: Thread) -> Arc<Self> {
        let standing = AtomicU8::new(Standing::Proving as u8);
        let (progress, ages) = (Mutex::default(), Mutex::default());
        Arc::new(Self {
            lane,
            topic,
            partition,
            standing,
            progress,
            ages,
            suspicion: OnceLock::new(),
            rewind: OnceLock::new(),
            poller,
        })
    }

    pub fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Proving,
            1 => Standing::Open,
            2 => Standing::Refused,
            _ => Standing::Over,
        }
    }

    /// Moves on, unless it is over already.
    pub fn set_standing(&self, standing: Standing) {
        let moved = self.standing.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            (now != Standing::Over as u8).then_some(standing as u8)
        });
        if moved.is_ok() {
            self.poller.unpark();
        }
    }

    pub fn is_over(&self) -> bool {
        self.standing() == Standing::Over
    }

    /// It is to begin at this offset again.
    pub fn rewind_to(&self, offset: i64) {
        let _ = self.rewind.set(offset);
        self.poller.unpark();
    }

    pub fn rewound_to(&self) -> Option<i64> {
        self.rewind.get().copied().filter(|_| !self.is_over())
    }

    /// Takes a delivery of this partition.
    pub fn begin(self: &Arc<Self>, offset: i64, share: Share) -> Ticket {
        self.progress().begin(offset);
        if faults::has(Defect::OffsetsFirst) {
            self.progress().finish(offset, Finish::Elsewhere);
        }
        let suspect = self.suspicion().and_then(|suspicion| suspicion.take(offset, &share, Instant::now()));
        Ticket { assignment: Arc::clone(self), offset, share, suspect }
    }

    /// It is known how its last holder ended; `None`: well.
    pub fn begun(&self, suspicion: Option<Suspicion>) {
        // Once per assignment.
        let _ = self.suspicion.set(suspicion);
    }

    pub fn suspicion(&self) -> Option<&Suspicion> {
        self.suspicion.get().and_then(Option::as_ref)
    }

    /// Whether nothing of it could have killed its last holder, as far as is known.
    pub fn is_above_suspicion(&self) -> bool {
        self.suspicion.get().is_some_and(|suspicion| suspicion.as_ref().is_none_or(Suspicion::is_settled))
    }

    /// Whether something of it may be taken now.
    pub fn gives(&self) -> bool {
        self.standing() == Standing::Open && !self.suspicion().is_some_and(Suspicion::holds_back)
    }

    /// When the broker appended a delivery, in milliseconds since 1970; `None` where it did not say.
    pub fn appended(&self, offset: i64, at_ms: Option<i64>) {
        let next = self.committable().map(|done| done.next_offset);
        self.ages().appended(offset, at_ms, next);
    }

    /// A message has been read: it holds so many records.
    pub fn read(&self, records: u32) {
        self.ages().read(records);
    }

    /// How far it is behind a log that ends at `end`. `start`: where it began.
    pub fn lag(&self, start: i64, end: i64) -> Behind {
        let next = self.committable().map_or(start, |done| done.next_offset);
        self.ages().behind(next, end)
    }

    pub fn committable(&self) -> Option<Committable> {
        self.progress().committable()
    }

    /// What lies before `offset` is gone from the log, and that is on record.
    pub fn skip_to(&self, offset: i64) {
        self.progress().skip_to(offset);
    }

    pub fn is_idle(&self) -> bool {
        self.progress().is_idle()
    }

    fn ages(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each change of it is complete before anything could panic, so a poisoned one is as good.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery in flight. Dropped without [`Ticket::finish`] it stays unfinished: its offset is never committed by this
/// assignment, and Kafka delivers it again to the next.
#[derive(Debug)]
pub struct Ticket {
    pub assignment: Arc<Assignment>,
    pub offset: i64,
    /// Of its lane's budget.
    pub share: Share,
    /// It may have killed a process, and is to be tried alone.
    pub suspect: Option<Note>,
}

impl Ticket {
    /// Whether working on it is of no use any more.
    pub fn is_abandoned(&self) -> bool {
        self.assignment.is_over()
    }

    /// Where its message stands.
    pub fn delivery(&self) -> Delivery {
        let Assignment { topic, partition, .. } = &*self.assignment;
        Delivery { topic: Arc::clone(topic), partition: *partition, offset: self.offset }
    }

    pub fn finish(self, what: Finish) {
        self.assignment.progress().finish(self.offset, what);
        if let Some(suspicion) = self.suspect.and(self.assignment.suspicion()) {
            suspicion.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::budget::Budget;

    fn assignment() -> Arc<Assignment> {
        Assignment::new(Lane::Normal, "t".into(), 3, std::thread::current())
    }

    #[test]
    fn a_delivery_of_an_earlier_assignment_cannot_move_a_later_one() {
        let budget = Budget::new(1, std::thread::current());
        let (first, second) = (assignment(), assignment());
        let stale = first.begin(7, budget.take(1));
        let fresh = second.begin(7, budget.take(1));
        first.set_standing(Standing::Over);
        assert!(stale.is_abandoned() && !fresh.is_abandoned());
        stale.finish(Finish::Elsewhere);
        assert_eq!(second.committable(), None);
    }

    #[test]
    fn what_is_over_stays_over() {
        let assignment = assignment();
        assignment.set_standing(Standing::Over);
        assignment.set_standing(Standing::Open);
        assert!(assignment.is_over());
    }

    #[test]
    fn a_dropped_ticket_is_never_committed() {
        let budget = Budget::new(1, std::thread::current());
        let assignment = assignment();
        drop(assignment.begin(1, budget.take(1)));
        assert_eq!(assignment.committable(), None);
        assert!(!assignment.is_idle() && budget.has_room());
    }
}
