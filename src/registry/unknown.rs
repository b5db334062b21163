//! Ids that the registry has said it does not know: since when, and whether it is time to ask again.
//!
//! A registry may learn of a schema later than its first message comes: its nodes follow a leader, or somebody registers
//! it by hand. So an id counts as unknown only once the registry has denied it for as long as the patience is. From then on
//! it is asked again now and then, so that a schema that comes counts for the messages after it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Ids that are kept though nobody waits for them any more.
const KEPT: usize = 10_000;
/// Between two questions, as a part of the patience.
const QUESTIONS: u32 = 12;

pub struct Unknown {
    patience: Duration,
    again: Duration,
    denied: Mutex<Denied>,
}

#[derive(Default)]
struct Denied {
    ids: HashMap<u32, Between>,
    /// At so many those go that nobody waits for.
    full: usize,
}

/// The first and the last time that the registry denied an id.
#[derive(Debug, Clone, Copy)]
struct Between {
    first: Instant,
    last: Instant,
}

/// How an id that the registry has denied is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Waits {
        left: Duration,
    },
    /// It is given up.
    Given,
}

impl Unknown {
    pub fn new(patience: Duration) -> Self {
        let again = (patience / QUESTIONS).clamp(Duration::from_millis(50), Duration::from_secs(15));
        Self { patience, again, denied: Mutex::new(Denied { full: KEPT, ..Denied::default() }) }
    }

    /// How it stands without asking; `None`: it is to be asked.
    pub fn lately(&self, id: u32, now: Instant) -> Option<Standing> {
        let between = self.denied().ids.get(&id).copied()?;
        (now.saturating_duration_since(between.last) < self.again).then(|| self.judge(between))
    }

    /// The registry has just denied it.
    pub fn denied_at(&self, id: u32, now: Instant) {
        let mut denied = self.denied();
        denied.ids.entry(id).or_insert(Between { first: now, last: now }).last = now;
        if denied.ids.len() >= denied.full {
            // Whoever waits has asked since: what is left is held by records in memory, whose number is bounded.
            let idle = 4 * self.again.max(Duration::from_secs(15));
            denied.ids.retain(|_, between| now.saturating_duration_since(between.last) < idle);
            denied.full = (2 * denied.ids.len()).max(KEPT);
        }
    }

    /// As the registry's last answer has it.
    pub fn standing(&self, id: u32) -> Standing {
        let between = self.denied().ids.get(&id).copied();
        between.map_or(Standing::Waits { left: self.patience }, |between| self.judge(between))
    }

    /// The registry knows it.
    pub fn forget(&self, id: u32) {
        self.denied().ids.remove(&id);
    }

    fn judge(&self, Between { first, last }: Between) -> Standing {
        match self.patience.saturating_sub(last.saturating_duration_since(first)) {
            Duration::ZERO => Standing::Given,
            left => Standing::Waits { left },
        }
    }

    fn denied(&self) -> MutexGuard<'_, Denied> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_id_is_given_up_once_the_registry_has_denied_it_for_a_minute() {
        let (unknown, began) = (Unknown::new(MINUTE), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(unknown.lately(7, began), None);
        unknown.denied_at(7, at(0));
        assert_eq!(unknown.lately(7, at(4)), Some(Standing::Waits { left: MINUTE }));
        assert_eq!(unknown.lately(7, at(5)), None, "it is asked every five seconds");
        unknown.denied_at(7, at(59));
        assert_eq!(unknown.standing(7), Standing::Waits { left: Duration::from_secs(1) });
        unknown.denied_at(7, at(61));
        assert_eq!(unknown.lately(7, at(62)), Some(Standing::Given));
        assert_eq!(unknown.lately(7, at(67)), None, "it may have come since");
    }

    #[test]
    fn time_in_which_the_registry_says_nothing_gives_nothing_up() {
        let (unknown, began) = (Unknown::new(MINUTE), Instant::now());
        unknown.denied_at(7, began);
        assert_eq!(unknown.lately(7, began + 10 * MINUTE), None);
        assert_eq!(unknown.standing(7), Standing::Waits { left: MINUTE });
    }

    #[test]
    fn an_id_that_came_is_denied_from_the_beginning_if_it_ever_goes() {
        let (unknown, began) = (Unknown::new(MINUTE), Instant::now());
        unknown.denied_at(7, began);
        unknown.forget(7);
        unknown.denied_at(7, began + 2 * MINUTE);
        assert_eq!(unknown.standing(7), Standing::Waits { left: MINUTE });
    }

    #[test]
    fn without_patience_the_first_word_is_the_last() {
        let unknown = Unknown::new(Duration::ZERO);
        unknown.denied_at(7, Instant::now());
        assert_eq!(unknown.standing(7), Standing::Given);
    }

    #[test]
    fn ids_that_nobody_waits_for_any_more_make_room() {
        let (unknown, began) = (Unknown::new(MINUTE), Instant::now());
        for id in 0..1_000_000 {
            unknown.denied_at(id, began + Duration::from_millis(20) * id);
        }
        assert!(unknown.denied().ids.len() <= 2 * KEPT);
    }
}
