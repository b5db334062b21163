//! A delivery's leave to be worked on: beside all others, or, where it may have killed a process, alone in this one.
//!
//! A death while a chunk is tried alone is that chunk's doing, or comes from outside; so it takes two of them, and those
//! that have survived no try come last: whoever kills processes from outside would have to meet the same chunk twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::warn;

use super::assignment::Ticket;
use super::at_work::Leave;
use super::custody::Custody;
use crate::chunk::ChunkId;
use crate::faults;
use crate::retry::Waits;

/// A chunk that has killed its worker so often is not tried again. Where it was a process, the first time is not on
/// record: nobody knew yet which chunk it was.
pub const ATTEMPTS: u32 = 3;

/// Before a chunk that was in hand at a death is tried again, others that may have been come first. They take less than
/// this to come.
const AFTER_OTHERS: Duration = Duration::from_millis(500);

/// Who is worked on in this process.
pub struct Attempts {
    custody: Arc<Custody>,
    /// Suspects in this process that have not been tried before.
    untried: AtomicUsize,
}

/// Leave to work on one delivery; given back when it is dropped.
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    ticket: &'a Ticket,
    leave: Option<Leave>,
}

/// Why there is no leave.
pub enum Refused {
    /// Its partition is another's now.
    Abandoned,
    /// It has killed as many processes as it may. `None`: it did not come to be known which chunk it is.
    Killer(Option<ChunkId>),
}

/// Counts while it lives.
struct Untried<'a>(&'a AtomicUsize);

impl Drop for Untried<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Attempts {
    pub fn new(custody: Arc<Custody>) -> Self {
        Self { custody, untried: AtomicUsize::new(0) }
    }

    /// Waits for the leave to work on a delivery.
    pub async fn begin<'a>(&'a self, ticket: &'a Ticket) -> Result<Attempt<'a>, Refused> {
        let mut attempt = Attempt { attempts: self, ticket, leave: None };
        match ticket.suspect {
            None => attempt.leave = Some(Leave::beside().await),
            Some(note) if note.deaths + 1 >= ATTEMPTS => return Err(Refused::Killer(note.chunk)),
            Some(note) => {
                let untried = (note.deaths == 0).then(|| self.untried());
                if untried.is_none() {
                    self.after_others(ticket).await;
                }
                attempt.be_alone().await?;
            }
        }
        Ok(attempt)
    }

    fn untried(&self) -> Untried<'_> {
        self.untried.fetch_add(1, Ordering::AcqRel);
        Untried(&self.untried)
    }

    /// Waits for those that have not been tried.
    async fn after_others(&self, ticket: &Ticket) {
        loop {
            tokio::time::sleep(AFTER_OTHERS).await;
            if ticket.is_abandoned() || self.untried.load(Ordering::Acquire) == 0 {
                return;
            }
        }
    }
}

impl Attempt<'_> {
    /// Waits until nothing else is worked on, and puts down what is tried now.
    async fn be_alone(&mut self) -> Result<(), Refused> {
        let Self { attempts, ticket, .. } = *self;
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !ticket.is_abandoned() {
            let leave = Leave::alone().await;
            match attempts.custody.try_alone(ticket).await {
                Ok(()) => {
                    faults::step("attempt.noted").await;
                    self.leave = Some(leave);
                    return Ok(());
                }
                Err(error) => {
                    drop(leave);
                    let (wait, error) = (waits.next_wait(), attempts.custody.in_words(&error));
                    warn!(
                        error,
                        ?wait,
                        "Postgres does not take a note on a chunk that is to be tried alone: trying again"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
        Err(Refused::Abandoned)
    }

    fn is_alone(&self) -> bool {
        matches!(self.leave, Some(Leave::Alone { .. }))
    }

    /// It is known which chunk it is.
    pub async fn is_of(&mut self, chunk: ChunkId) -> Result<(), Refused> {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while self.is_alone()
            && let Err(error) = self.attempts.custody.identify(self.ticket, chunk).await
        {
            let (wait, error) = (waits.next_wait(), self.attempts.custody.in_words(&error));
            warn!(%chunk, error, ?wait, "Postgres does not take a note on a chunk that is tried alone: trying again");
            self.rest(wait).await?;
        }
        Ok(())
    }

    /// Waits between two tries of something that fails for now, and lets others go on meanwhile.
    pub async fn rest(&mut self, wait: Duration) -> Result<(), Refused> {
        let was_alone = self.is_alone();
        if was_alone {
            self.attempts.custody.take_back(self.ticket).await;
        }
        self.leave = None;
        tokio::time::sleep(wait).await;
        if was_alone {
            return self.be_alone().await;
        }
        self.leave = Some(Leave::beside().await);
        Ok(())
    }

    /// The delivery is decided: whatever it is, it has killed nobody.
    pub async fn end(self) {
        if self.is_alone() {
            self.attempts.custody.acquit(self.ticket).await;
        }
    }

    pub async fn give_up(self) {
        if self.is_alone() {
            self.attempts.custody.take_back(self.ticket).await;
        }
    }
}
