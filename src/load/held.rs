//! Turns a fault that lasts on one target into the feed's own fault.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A target that has been held this long parks its job, so that other feeds go on.
const PATIENCE: Duration = Duration::from_secs(5);

/// A hold not met again for this long is over, though nobody saw its end.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// Since when each feed's target has been held, as one loader met it.
#[derive(Debug, Default)]
pub(super) struct Held {
    by_feed: HashMap<String, Hold>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    since: Instant,
    last_met: Instant,
}

/// What to do about a held target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Retry,
    /// It has been held for this long.
    Park(Duration),
}

impl Held {
    /// A transaction that began at `began` met a held target at `now`.
    pub(super) fn met(&mut self, feed: &str, began: Instant, now: Instant) -> Patience {
        let hold = match self.by_feed.get(feed) {
            Some(hold) if now - hold.last_met <= FORGOTTEN_AFTER => Hold { since: hold.since, last_met: now },
            _ => Hold { since: began, last_met: now },
        };
        let lasted = now - hold.since;
        if lasted < PATIENCE {
            self.by_feed.insert(feed.to_owned(), hold);
            return Patience::Retry;
        }
        self.by_feed.remove(feed);
        Patience::Park(lasted)
    }

    /// A chunk of the feed loaded.
    pub(super) fn passed(&mut self, feed: &str) {
        self.by_feed.remove(feed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_target_held_for_five_seconds_parks_its_own_feed_only() {
        let (mut held, start) = (Held::default(), Instant::now());
        assert_eq!(held.met("cards", start, start + 2 * SECOND), Patience::Retry);
        assert_eq!(held.met("equities", start + 2 * SECOND, start + 4 * SECOND), Patience::Retry);
        assert_eq!(held.met("cards", start + 3 * SECOND, start + 5 * SECOND), Patience::Park(5 * SECOND));
        assert_eq!(held.met("equities", start + 4 * SECOND, start + 6 * SECOND), Patience::Retry);
    }

    #[test]
    fn a_load_in_between_starts_the_count_again() {
        let (mut held, start) = (Held::default(), Instant::now());
        assert_eq!(held.met("cards", start, start + 4 * SECOND), Patience::Retry);
        held.passed("cards");
        assert_eq!(held.met("cards", start + 5 * SECOND, start + 7 * SECOND), Patience::Retry);
    }

    #[test]
    fn an_old_hold_is_forgotten() {
        let (mut held, start) = (Held::default(), Instant::now());
        assert_eq!(held.met("cards", start, start + 2 * SECOND), Patience::Retry);
        let later = start + 60 * SECOND;
        assert_eq!(held.met("cards", later, later + 2 * SECOND), Patience::Retry);
    }
}
