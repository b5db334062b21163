//! Lets chunks to their targets: one that is held, or at fault, costs its own feed time, and never all the loaders.
//!
//! While a feed's target is held, one chunk at a time tries it; the others wait for a second and are then set aside, so
//! that they hold neither a loader nor the memory that other feeds need. A hold of 5 s, or a fault of the target, parks
//! the job: from then on its chunks are set aside at once, but for one now and then, and for copies of owed chunks, which
//! the steward sends to find out whether the target is whole again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::chunk::Origin;
use crate::config::PinnedFeed;

/// A target that has been held this long parks its job, so that other feeds go on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a chunk waits at a held target before it is set aside.
const WAIT: Duration = Duration::from_secs(1);
/// Between two tries of a target that is held.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// Between two tries of a target whose job is parked, where no copy of an owed chunk comes.
const BETWEEN_TRIES_PARKED: Duration = Duration::from_secs(5);
/// A hold not met again for this long is over, though nobody saw its end.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// A feed and its version: what one cannot load another may.
type Key = (String, i32);

/// The gates of a process, by feed.
#[derive(Debug, Default)]
pub struct Gates {
    gates: Mutex<HashMap<Key, Gate>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Gate {
    /// Chunks that have been let through and are not done.
    inside: usize,
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
struct Fault {
    since: Instant,
    last_met: Instant,
    standing: Standing,
    reason: String,
}

/// What a target at fault does to its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is held for now: the job goes on, without the chunks that are set aside.
    Held,
    Parked,
}

/// The answer to a chunk that asks for its target.
pub enum Entry {
    Pass(Pass),
    /// It is to be set aside.
    Aside(Aside),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    pub standing: Standing,
    /// For people.
    pub reason: String,
}

/// A chunk's leave to load, until it is dropped.
pub struct Pass {
    gates: Arc<Gates>,
    key: Key,
    tries: Tries,
}

/// Whether a chunk is the one that tries a target at fault: it waits for no lock for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    Sound,
    AtFault,
}

/// What to do about a held target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Retry,
    /// It has been held for this long.
    Park(Duration),
}

enum Answer {
    Enter(Tries),
    Wait(Duration),
    Aside(Aside),
}

impl Gates {
    /// Waits until a chunk of the feed, which asked first at `asked`, may go to its target, or is to be set aside.
    pub async fn enter(self: &Arc<Self>, feed: &PinnedFeed, origin: Origin, asked: Instant) -> Entry {
        let key = (feed.feed.name.as_str().to_owned(), feed.version);
        loop {
            // Made before the gate is asked: whatever changes after that wakes it.
            let changed = self.changed.notified();
            let answer = self.lock().entry(key.clone()).or_default().ask(origin, asked, Instant::now());
            match answer {
                Answer::Enter(tries) => return Entry::Pass(Pass { gates: Arc::clone(self), key, tries }),
                Answer::Aside(aside) => return Entry::Aside(aside),
                Answer::Wait(at_most) => {
                    tokio::time::timeout(at_most, changed).await.ok();
                }
            }
        }
    }

    /// Each change is complete before anything could panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn ask(&mut self, origin: Origin, asked: Instant, now: Instant) -> Answer {
        // Forgotten for good: a leave is stale for as long as there is a fault.
        self.fault.take_if(|fault| now - fault.last_met > FORGOTTEN_AFTER);
        let Some(fault) = &self.fault else {
            self.inside += 1;
            return Answer::Enter(Tries::Sound);
        };
        let between = match (fault.standing, origin) {
            (Standing::Parked, Origin::Publisher) => BETWEEN_TRIES_PARKED,
            _ => BETWEEN_TRIES,
        };
        let due = fault.last_met + between;
        if self.inside == 0 && now >= due {
            self.inside += 1;
            return Answer::Enter(Tries::AtFault);
        }
        let waited = now - asked;
        let waits = fault.standing == Standing::Held || origin == Origin::Copy;
        if waits && waited < WAIT {
            let left = WAIT - waited;
            return Answer::Wait(if self.inside == 0 { left.min(due - now) } else { left });
        }
        Answer::Aside(Aside { standing: fault.standing, reason: fault.reason.clone() })
    }

    fn met(&mut self, began: Instant, now: Instant, reason: &str) -> Patience {
        let before = self.fault.take().filter(|fault| now - fault.last_met <= FORGOTTEN_AFTER);
        let since = before.as_ref().map_or(began, |fault| fault.since.min(began));
        let lasted = now - since;
        let parked = before.is_some_and(|fault| fault.standing == Standing::Parked);
        let standing = if parked || lasted >= PATIENCE { Standing::Parked } else { Standing::Held };
        self.fault = Some(Fault { since, last_met: now, standing, reason: reason.to_owned() });
        match standing {
            Standing::Held => Patience::Retry,
            Standing::Parked => Patience::Park(lasted),
        }
    }
}

impl Pass {
    /// The target has been found at fault since the leave was given: it is to be asked for anew.
    pub fn is_stale(&self) -> bool {
        self.tries == Tries::Sound && self.gate(|gate| gate.fault.is_some())
    }

    pub(super) fn tries(&self) -> Tries {
        self.tries
    }

    /// The load, begun at `began`, waits for a lock of the target, or has given up waiting.
    pub(super) fn held(&self, began: Instant, reason: &str) -> Patience {
        let patience = self.gate(|gate| gate.met(began, Instant::now(), reason));
        self.gates.changed.notify_waiters();
        patience
    }

    /// The target cannot take the feed's records.
    pub(super) fn at_fault(&self, reason: &str) {
        let now = Instant::now();
        let fault = Fault { since: now, last_met: now, standing: Standing::Parked, reason: reason.to_owned() };
        self.gate(|gate| gate.fault = Some(fault));
        self.gates.changed.notify_waiters();
    }

    /// The target has taken a chunk.
    pub(super) fn passed(&self) {
        self.gate(|gate| gate.fault = None);
    }

    fn gate<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        change(self.gates.lock().entry(self.key.clone()).or_default())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate(|gate| gate.inside -= 1);
        self.gates.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn word(answer: &Answer) -> &'static str {
        match answer {
            Answer::Enter(Tries::Sound) => "enter",
            Answer::Enter(Tries::AtFault) => "try",
            Answer::Wait(_) => "wait",
            Answer::Aside(Aside { standing: Standing::Held, .. }) => "owe",
            Answer::Aside(Aside { standing: Standing::Parked, .. }) => "park",
        }
    }

    fn ask(gate: &mut Gate, origin: Origin, asked: Instant, now: Instant) -> &'static str {
        word(&gate.ask(origin, asked, now))
    }

    #[test]
    fn while_a_target_is_held_one_chunk_tries_it_and_the_others_are_set_aside_after_a_second() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(ask(&mut gate, Origin::Publisher, start, start), "enter");
        assert_eq!(gate.met(start, start + SECOND, "held"), Patience::Retry);
        let now = start + 2 * SECOND;
        assert_eq!(ask(&mut gate, Origin::Publisher, now, now), "wait");
        assert_eq!(ask(&mut gate, Origin::Publisher, start + SECOND, now), "owe");
        gate.inside = 0;
        assert_eq!(ask(&mut gate, Origin::Publisher, now, now), "try");
        assert_eq!(ask(&mut gate, Origin::Publisher, now, now), "wait");
    }

    #[test]
    fn a_target_held_for_five_seconds_parks_and_then_only_copies_try_it_at_once() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.met(start, start + 2 * SECOND, "held"), Patience::Retry);
        assert_eq!(gate.met(start + 3 * SECOND, start + 5 * SECOND, "held"), Patience::Park(5 * SECOND));
        let now = start + 6 * SECOND;
        assert_eq!(ask(&mut gate, Origin::Publisher, now, now), "park");
        assert_eq!(ask(&mut gate, Origin::Copy, now, now), "try");
        assert_eq!(ask(&mut gate, Origin::Copy, now, now), "wait");
        gate.inside = 0;
        assert_eq!(ask(&mut gate, Origin::Publisher, now, start + 10 * SECOND), "try");
    }

    #[test]
    fn a_load_in_between_starts_the_count_again_and_an_old_hold_is_forgotten() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.met(start, start + 4 * SECOND, "held"), Patience::Retry);
        gate.fault = None;
        assert_eq!(gate.met(start + 5 * SECOND, start + 7 * SECOND, "held"), Patience::Retry);
        let later = start + 60 * SECOND;
        assert_eq!(gate.met(later, later + 2 * SECOND, "held"), Patience::Retry);
        assert_eq!(ask(&mut gate, Origin::Publisher, later, later + 60 * SECOND), "enter");
    }

    #[test]
    fn a_leave_that_is_given_after_an_old_hold_is_not_stale() {
        let gates = Arc::new(Gates::default());
        let key = (String::from("cards"), 1);
        let enter = |now| {
            let answer = gates.lock().entry(key.clone()).or_default().ask(Origin::Copy, now, now);
            assert!(matches!(answer, Answer::Enter(Tries::Sound)));
            Pass { gates: Arc::clone(&gates), key: key.clone(), tries: Tries::Sound }
        };
        let start = Instant::now();
        let pass = enter(start);
        pass.gate(|gate| gate.met(start, start + SECOND, "held"));
        assert!(pass.is_stale());
        drop(pass);
        assert!(!enter(start + SECOND + FORGOTTEN_AFTER + SECOND).is_stale());
    }
}
