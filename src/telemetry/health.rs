//! Turns signs of life of a process's parts into two answers: is it alive, and is it ready; if not, why.
//!
//! It is alive as long as its polling threads go on: a restart mends those, and nothing else. It is ready while what it
//! needs has answered lately: a restart would not mend Kafka.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A thread whose last turn is older is stuck. Longer than any of its waits: half a session when partitions go, and four
/// tries of asking the group for its commits.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// An answer that is older says nothing any more. What asks does so every 2 s, and waits 5 s at most.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ingest,
    Validate,
    Steward,
}

/// What a role rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    Postgres,
    Kafka,
    /// The group has said which partitions are this member's, and all may be taken from. None may be its share.
    Partitions,
    /// Leading, or standing for election.
    Steward,
    /// What is active is known: of the config topic, or of Postgres.
    Config,
}

/// What the parts of one process have said of themselves.
#[derive(Debug)]
pub struct Health {
    role: Role,
    parts: Mutex<BTreeMap<Part, Sign>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
    pulses: Mutex<Vec<Weak<Beats>>>,
}

#[derive(Debug)]
struct Sign {
    at: Instant,
    /// Why it is not well.
    ill: Option<String>,
}

/// A thread's sign of life; it is not watched any more once this is dropped.
#[derive(Debug)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    thread: String,
    last: Mutex<Instant>,
}

/// An answer to `/health/live` or `/health/ready`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub role: &'static str,
    pub ok: bool,
    /// Why not; for people.
    pub reasons: BTreeMap<String, String>,
    /// What is not as it should be and keeps nobody from anything; for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<&'static str, String>,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Validate => "validate",
            Self::Steward => "steward",
        }
    }

    fn needs(self) -> &'static [Part] {
        match self {
            Self::Ingest => &[],
            Self::Validate => &[Part::Postgres, Part::Kafka, Part::Partitions, Part::Config],
            Self::Steward => &[Part::Steward, Part::Config],
        }
    }
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
            Self::Partitions => "partitions",
            Self::Steward => "steward",
            Self::Config => "config",
        }
    }
}

impl Health {
    pub fn new(role: Role) -> Arc<Self> {
        Arc::new(Self { role, parts: Mutex::default(), notes: Mutex::default(), pulses: Mutex::default() })
    }

    /// The part has just shown that it is well.
    pub fn well(&self, part: Part) {
        self.parts().insert(part, Sign { at: Instant::now(), ill: None });
    }

    /// It has just shown that it is not; `reason` is for people.
    pub fn ill(&self, part: Part, reason: impl Into<String>) {
        self.parts().insert(part, Sign { at: Instant::now(), ill: Some(reason.into()) });
    }

    /// What readiness says beside its answer of a thing that is not as it should be; `None`: it is.
    pub fn note(&self, what: &'static str, note: Option<String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Some(note) => notes.insert(what, note),
            None => notes.remove(what),
        };
    }

    /// Watches the calling thread.
    pub fn pulse(&self) -> Pulse {
        let thread = std::thread::current().name().unwrap_or("a thread").to_owned();
        let beats = Arc::new(Beats { thread, last: Mutex::new(Instant::now()) });
        self.pulses().push(Arc::downgrade(&beats));
        Pulse(beats)
    }

    /// Whether the process does anything at all.
    pub fn live(&self, now: Instant) -> Answer {
        let mut pulses = self.pulses();
        pulses.retain(|pulse| pulse.strong_count() > 0);
        let mut reasons = BTreeMap::new();
        for beats in pulses.iter().filter_map(Weak::upgrade) {
            let silent = now.saturating_duration_since(*beats.last.lock().unwrap_or_else(PoisonError::into_inner));
            if silent > STUCK_AFTER {
                reasons.insert(beats.thread.clone(), format!("has not moved for {} s", silent.as_secs()));
            }
        }
        self.answer(reasons)
    }

    /// Whether what it needs is there.
    pub fn ready(&self, now: Instant) -> Answer {
        let parts = self.parts();
        let why = |part: &Part| match parts.get(part) {
            None => Some("has not been heard of yet".to_owned()),
            Some(Sign { ill: Some(reason), .. }) => Some(reason.clone()),
            Some(Sign { at, .. }) => {
                let silent = now.saturating_duration_since(*at);
                (silent > STALE_AFTER).then(|| format!("has not been heard of for {} s", silent.as_secs()))
            }
        };
        let ill = self.role.needs().iter().filter_map(|part| Some((part.as_str().to_owned(), why(part)?)));
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Answer { notes, ..self.answer(ill.collect()) }
    }

    fn answer(&self, reasons: BTreeMap<String, String>) -> Answer {
        Answer { role: self.role.as_str(), ok: reasons.is_empty(), reasons, notes: BTreeMap::new() }
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<Part, Sign>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulses(&self) -> MutexGuard<'_, Vec<Weak<Beats>>> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Another turn.
    pub fn beat(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(answer: &Answer) -> Vec<String> {
        answer.reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }

    #[test]
    fn ready_is_who_has_heard_of_all_that_it_needs() {
        let health = Health::new(Role::Validate);
        assert_eq!(health.ready(Instant::now()).reasons.len(), 4);
        [Part::Kafka, Part::Partitions, Part::Postgres, Part::Config].into_iter().for_each(|part| health.well(part));
        assert!(health.ready(Instant::now()).ok);
        health.ill(Part::Postgres, "connection refused");
        assert_eq!(reasons(&health.ready(Instant::now())), ["postgres: connection refused"]);
        assert!(health.live(Instant::now()).ok, "a restart does not mend Postgres");
    }

    #[test]
    fn a_note_keeps_nobody_from_being_ready() {
        let health = Health::new(Role::Ingest);
        health.note("redis", Some("is away".into()));
        let answer = health.ready(Instant::now());
        assert_eq!((answer.ok, answer.notes["redis"].as_str()), (true, "is away"));
        health.note("redis", None);
        assert!(health.ready(Instant::now()).notes.is_empty());
    }

    #[test]
    fn an_old_answer_is_none() {
        let health = Health::new(Role::Steward);
        health.well(Part::Config);
        health.well(Part::Steward);
        let later = Instant::now() + Duration::from_secs(11);
        let said = reasons(&health.ready(later));
        assert_eq!(said, ["config: has not been heard of for 11 s", "steward: has not been heard of for 11 s"]);
    }

    #[test]
    fn a_thread_that_has_not_moved_for_long_is_stuck_and_one_that_has_ended_is_not() {
        let health = Health::new(Role::Validate);
        let pulse = health.pulse();
        let later = Instant::now() + Duration::from_secs(61);
        assert!(health.live(Instant::now()).ok);
        assert!(reasons(&health.live(later))[0].contains("has not moved for 6"));
        drop(pulse);
        assert!(health.live(later).ok);
    }
}
