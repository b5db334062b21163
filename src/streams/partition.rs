//! One partition of a record topic while it is this member's: where it stands, and whether it may be taken from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use super::known::Stream;
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
    poller: Thread,
}

/// A batch that is to be loaded, and the partition that waits for it.
#[derive(Debug)]
pub struct Closed {
    pub partition: Arc<Partition>,
    /// From there on the partition is not loaded.
    pub expected: i64,
    pub topic_id: Arc<str>,
    pub messages: Messages,
    /// Of the process's memory.
    pub share: Share,
}

impl Partition {
    pub fn new(stream: Arc<Stream>, number: i32, poller: Thread) -> Arc<Self> {
        Arc::new(Self { stream, number, standing: Mutex::new(Standing::Opening), poller })
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
            *standing = Standing::Open { next: *next, topic_id: Arc::clone(topic_id), in_flight: false };
        }
    }

    /// Takes the way for a batch; `None`: it may not be loaded now.
    pub fn begin(&self) -> Option<(i64, Arc<str>)> {
        match &mut *self.lock() {
            Standing::Open { next, topic_id, in_flight } if !*in_flight => {
                *in_flight = true;
                Some((*next, Arc::clone(topic_id)))
            }
            _ => None,
        }
    }

    /// Its batch is in Postgres.
    pub fn loaded(&self, up_to: i64) {
        if let Standing::Open { next, in_flight, .. } = &mut *self.lock() {
            (*next, *in_flight) = (up_to, false);
        }
        self.poller.unpark();
    }

    /// Postgres has another position, or nothing may be loaded: it is opened anew. Answers whether it is this member's still.
    pub fn reopen(&self) -> bool {
        let mut standing = self.lock();
        if *standing == Standing::Over {
            return false;
        }
        *standing = Standing::Opening;
        true
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

    /// Where it stands with nothing in flight.
    pub fn rests_at(&self) -> Option<i64> {
        match &*self.lock() {
            Standing::Open { next, in_flight: false, .. } => Some(*next),
            _ => None,
        }
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
