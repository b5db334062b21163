//! One partition of a record topic while it is this member's: where it stands, and whether it may be taken from.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use super::known::Stream;
use super::suspicion::{Suspicion, Trial};
use crate::record::Messages;
use crate::validate::Share;

/// What may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is asked where it begins, or it has a gap, or its stream is paused; nothing is taken.
    Opening,
    /// It begins there; the polling thread has not yet placed itself.
    Placed { next: i64, topic_id: Arc<str> },
    Open {
        /// Where the next batch begins.
        next: i64,
        topic_id: Arc<str>,
        /// How often it had been opened before: what was in flight then moves nothing now.
        epoch: u64,
        in_flight: bool,
    },
    /// Revoked, lost, or the process ends.
    Over,
}

#[derive(Debug)]
pub struct Partition {
    pub stream: Arc<Stream>,
    pub number: i32,
    standing: Mutex<Standing>,
    opened: AtomicU64,
    /// Its last batch could not be judged.
    was_let_go: AtomicBool,
    in_custody: AtomicBool,
    suspicion: Mutex<Option<Suspicion>>,
    poller: Thread,
}

/// A batch that is to be loaded, and the partition that waits for it.
#[derive(Debug)]
pub struct Closed {
    pub partition: Arc<Partition>,
    /// From there on the partition is not loaded.
    pub expected: i64,
    pub topic_id: Arc<str>,
    pub epoch: u64,
    pub messages: Messages,
    /// Of the process's memory.
    pub share: Share,
}

/// Whether a batch may begin.
#[derive(Debug)]
pub enum Begins {
    Here(Begun),
    /// Another is in flight, or the partition is not open.
    NotNow,
    /// Something is missing between the batch and what is loaded, or it is loaded already.
    Elsewhere {
        next: i64,
    },
}

/// Where a batch begins.
#[derive(Debug)]
pub struct Begun {
    pub expected: i64,
    pub topic_id: Arc<str>,
    pub epoch: u64,
}

impl Partition {
    pub fn new(stream: Arc<Stream>, number: i32, poller: Thread) -> Arc<Self> {
        Arc::new(Self {
            stream,
            number,
            standing: Mutex::new(Standing::Opening),
            opened: AtomicU64::new(0),
            was_let_go: AtomicBool::new(false),
            in_custody: AtomicBool::new(false),
            suspicion: Mutex::default(),
            poller,
        })
    }

    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub fn is_over(&self) -> bool {
        *self.lock() == Standing::Over
    }

    /// It is known where it begins.
    pub fn place(&self, next: i64, topic_id: Arc<str>) {
        let mut standing = self.lock();
        if *standing == Standing::Opening {
            *standing = Standing::Placed { next, topic_id };
        }
        drop(standing);
        self.poller.unpark();
    }

    /// The polling thread stands where it begins.
    pub fn open(&self) {
        let mut standing = self.lock();
        if let Standing::Placed { next, topic_id } = &*standing {
            let epoch = self.opened.fetch_add(1, Ordering::Relaxed);
            *standing = Standing::Open { next: *next, topic_id: Arc::clone(topic_id), epoch, in_flight: false };
        }
    }

    /// Takes the way for a batch that begins there.
    pub fn begin(&self, from: i64) -> Begins {
        match &mut *self.lock() {
            Standing::Open { next, in_flight: false, .. } if *next != from => Begins::Elsewhere { next: *next },
            Standing::Open { next, topic_id, epoch, in_flight } if !*in_flight => {
                *in_flight = true;
                Begins::Here(Begun { expected: *next, topic_id: Arc::clone(topic_id), epoch: *epoch })
            }
            _ => Begins::NotNow,
        }
    }

    /// The batch that was begun in this epoch is in Postgres.
    pub fn loaded(&self, of_epoch: u64, up_to: i64) {
        self.was_let_go.store(false, Ordering::Relaxed);
        if let Standing::Open { next, epoch, in_flight, .. } = &mut *self.lock()
            && *epoch == of_epoch
        {
            (*next, *in_flight) = (up_to, false);
        }
        self.poller.unpark();
    }

    /// It cannot go on where it stands: it is to be opened anew. Answers whether the caller has to see to that.
    pub fn reopen(&self) -> bool {
        let mut standing = self.lock();
        let open = matches!(&*standing, Standing::Open { .. });
        if open {
            *standing = Standing::Opening;
        }
        open
    }

    /// As [`Self::reopen`], for a batch that was begun in this epoch.
    pub fn reopen_of(&self, of_epoch: u64) -> bool {
        let is_it = matches!(&*self.lock(), Standing::Open { epoch, .. } if *epoch == of_epoch);
        is_it && self.reopen()
    }

    /// As [`Self::reopen_of`], for a batch that cannot be judged.
    pub fn let_go_of(&self, of_epoch: u64) -> bool {
        self.was_let_go.store(true, Ordering::Relaxed);
        self.reopen_of(of_epoch)
    }

    /// Whether its batch was let go, and none has been loaded since.
    pub fn was_let_go(&self) -> bool {
        self.was_let_go.load(Ordering::Relaxed)
    }

    /// As [`Self::reopen`], unless it has moved since it stood at `next` with nothing in flight.
    pub fn reopen_at_rest(&self, at: i64) -> bool {
        let mut standing = self.lock();
        let rests = matches!(&*standing, Standing::Open { next, in_flight: false, .. } if *next == at);
        if rests {
            *standing = Standing::Opening;
        }
        rests
    }

    pub fn end(&self) {
        *self.lock() = Standing::Over;
    }

    /// The topic's id, as long as it is open.
    pub fn open_topic_id(&self) -> Option<Arc<str>> {
        match &*self.lock() {
            Standing::Open { topic_id, .. } => Some(Arc::clone(topic_id)),
            _ => None,
        }
    }

    /// Where it stands with nothing in flight.
    pub fn rests_at(&self) -> Option<i64> {
        match &*self.lock() {
            Standing::Open { next, in_flight: false, .. } => Some(*next),
            _ => None,
        }
    }

    /// It is on record that this process holds it.
    pub fn is_in_custody(&self) -> bool {
        self.in_custody.load(Ordering::Acquire)
    }

    pub fn take_into_custody(&self, suspicion: Option<Suspicion>) {
        *self.suspicion() = suspicion;
        self.in_custody.store(true, Ordering::Release);
    }

    pub fn is_above_suspicion(&self) -> bool {
        self.suspicion().is_none()
    }

    /// How many of the first messages are to be tried alone; `None`: they are above suspicion.
    pub fn trial(&self, messages: &Messages) -> Option<(usize, Trial)> {
        let suspicion = *self.suspicion();
        suspicion?.trial(messages.iter().map(|message| message.offset.cast_signed()))
    }

    /// So many messages were tried alone and are loaded.
    pub fn survived(&self, messages: usize, next: i64) {
        let mut suspicion = self.suspicion();
        if suspicion.as_mut().is_some_and(|suspicion| !suspicion.loaded(messages, next)) {
            *suspicion = None;
        }
    }

    fn suspicion(&self) -> MutexGuard<'_, Option<Suspicion>> {
        self.suspicion.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each change is complete before anything could panic.
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {} ({} partition {})", self.stream.feed, self.stream.topic, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::BatchLimits;

    fn opened(at: i64) -> Arc<Partition> {
        let stream = Arc::new(Stream::new("f".into(), "t".into(), BatchLimits::default()));
        let partition = Partition::new(stream, 0, std::thread::current());
        open_again(&partition, at);
        partition
    }

    fn open_again(partition: &Partition, at: i64) {
        partition.place(at, "id".into());
        partition.open();
    }

    fn begun_at(partition: &Partition, from: i64) -> Begun {
        match partition.begin(from) {
            Begins::Here(begun) => begun,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_batch_is_in_flight_and_the_next_begins_where_it_ended() {
        let partition = opened(5);
        let begun = begun_at(&partition, 5);
        assert!(matches!(partition.begin(9), Begins::NotNow) && partition.rests_at().is_none());
        partition.loaded(begun.epoch, 9);
        assert_eq!(begun_at(&partition, 9).expected, 9);
    }

    #[test]
    fn a_batch_with_something_missing_before_it_does_not_begin() {
        let partition = opened(5);
        assert!(matches!(partition.begin(6), Begins::Elsewhere { next: 5 }));
        assert!(matches!(partition.begin(4), Begins::Elsewhere { next: 5 }));
        assert_eq!(partition.rests_at(), Some(5));
    }

    #[test]
    fn a_batch_of_before_it_was_opened_anew_moves_nothing() {
        let partition = opened(5);
        let before = begun_at(&partition, 5);
        assert!(partition.reopen());
        open_again(&partition, 5);
        partition.loaded(before.epoch, 9);
        assert!(!partition.reopen_of(before.epoch));
        assert_eq!(partition.rests_at(), Some(5));
    }

    #[test]
    fn what_is_over_is_opened_no_more() {
        let partition = opened(5);
        partition.end();
        assert!(!partition.reopen());
        open_again(&partition, 7);
        assert!(partition.is_over());
    }
}
