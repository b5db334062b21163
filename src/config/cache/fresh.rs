//! What is fresh: the one place that decides whether something that was read before may be used now.
//!
//! | what | may be used |
//! |---|---|
//! | a document or a plan of a version | for ever: versions never change. A TTL only bounds what lies about |
//! | a document that Redis holds | where its SHA-256 is what Postgres says of that version |
//! | what a process knows to be active | while it follows the topic, or has just read Postgres: [`KNOWN`] |
//! | what Redis or this process was told is active | for [`POINTER`], and if nothing newer is known |
//! | that there is no such version or thing | for [`ABSENT`] |
//! | the last that was known | while Postgres does not answer, for who asks for [`Reads::EvenStale`] |
//!
//! So what [`Reads::Fresh`] hears was active at some instant within the last [`KNOWN`], whatever is cut off from whatever;
//! else it hears an error.

use std::time::{Duration, Instant};

use crate::config::Active;
use crate::config::checksum::Checksum;

/// A process asks every second whether it still follows, and is answered within another.
pub const KNOWN: Duration = Duration::from_secs(3);
pub const POINTER: Duration = Duration::from_secs(1);
/// A pointer stays in this process for so long, and a tenth more: with its time in Redis, which two clocks may add to,
/// that is less than [`KNOWN`].
pub const POINTER_HERE: Duration = Duration::from_millis(750);
pub const ABSENT: Duration = Duration::from_secs(1);

/// How wrong two machines' clocks may be before what one wrote is of no use to the other.
const SKEW_MICROS: i64 = 500_000;

/// What a reader of an active version can do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// An error where nothing fresh can be had.
    Fresh,
    /// The last that was known where nothing fresh can be had.
    EvenStale,
}

/// What is active as someone was told: with when Postgres said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// `None`: there is no such thing.
    pub active: Option<Active>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub read_at: i64,
}

/// Whether a document is the one that was applied.
pub fn is_genuine(text: &[u8], expected: Checksum) -> bool {
    Checksum::of(text) == expected
}

/// Whether what was last confirmed then holds now.
pub fn is_known(confirmed: Option<Instant>, now: Instant) -> bool {
    confirmed.is_some_and(|at| now.saturating_duration_since(at) <= KNOWN)
}

/// Whether a pointer from elsewhere may be used. `known`: what this process knew last; `now`: by this machine's clock.
pub fn holds(pointer: &Pointer, known: Option<&Active>, now: i64) -> bool {
    let age = now.saturating_sub(pointer.read_at);
    let timely = age <= POINTER.as_micros() as i64 + SKEW_MICROS && age >= -SKEW_MICROS;
    let newest = match (&pointer.active, known) {
        (Some(active), Some(known)) => active.revision >= known.revision,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    timely && newest
}

/// The later of what was read and what this process has heard meanwhile.
pub fn newest(read: Option<Active>, known: Option<Active>) -> Option<Active> {
    let revision = |active: &Option<Active>| active.as_ref().map_or(i64::MIN, |active| active.revision);
    if revision(&known) > revision(&read) { known } else { read }
}

/// How long an entry stays: `spread` (any number) moves it by up to a tenth, so that what came together does not go
/// together.
pub fn stay(own: Duration, is_absent: bool, spread: u64) -> Duration {
    let whole = if is_absent { ABSENT.min(own) } else { own };
    whole.mul_f64(0.9 + 0.2 * (spread % 1_000) as f64 / 1_000.0)
}

impl Pointer {
    /// As it stands in Redis: `READ_AT`, or `READ_AT VERSION REVISION CHECKSUM RETIRED CHANGED_AT`.
    pub fn write(&self) -> String {
        match &self.active {
            None => self.read_at.to_string(),
            Some(Active { version, revision, checksum, retired, changed_at }) => {
                let retired = u8::from(*retired);
                format!("{} {version} {revision} {checksum} {retired} {changed_at}", self.read_at)
            }
        }
    }

    /// `None`: whoever wrote that was not fabric.
    pub fn read(text: &[u8]) -> Option<Self> {
        let words: Vec<&str> = std::str::from_utf8(text).ok()?.split(' ').collect();
        match words[..] {
            [read_at] => Some(Self { active: None, read_at: read_at.parse().ok()? }),
            [read_at, version, revision, checksum, retired, changed_at] => {
                let active = Active {
                    version: version.parse().ok()?,
                    revision: revision.parse().ok()?,
                    checksum: Checksum::parse(checksum)?,
                    retired: retired == "1",
                    changed_at: changed_at.parse().ok()?,
                };
                Some(Self { active: Some(active), read_at: read_at.parse().ok()? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_489_200_000_000;

    fn active(revision: i64) -> Active {
        let checksum = Checksum::of(b"x");
        Active { version: 3, revision, checksum, retired: false, changed_at: NOW - 5 }
    }

    fn pointer(revision: i64, read_at: i64) -> Pointer {
        Pointer { active: Some(active(revision)), read_at }
    }

    #[test]
    fn a_pointer_holds_while_it_is_young_and_nothing_newer_is_known() {
        assert!(holds(&pointer(7, NOW - 500_000), None, NOW));
        assert!(holds(&pointer(7, NOW), Some(&active(7)), NOW));
        assert!(!holds(&pointer(6, NOW), Some(&active(7)), NOW), "this process knows better");
        assert!(!holds(&Pointer { active: None, read_at: NOW }, Some(&active(7)), NOW));
        assert!(!holds(&pointer(7, NOW - 1_600_000), None, NOW), "it lay about while Redis was away");
        assert!(!holds(&pointer(7, NOW + 600_000), None, NOW), "one of the clocks is wrong");
    }

    #[test]
    fn a_pointer_by_way_of_redis_is_no_older_than_what_is_known_may_be() {
        // The writer's clock may be behind the reader's by as much as is allowed.
        let in_redis = POINTER + 2 * Duration::from_micros(SKEW_MICROS.unsigned_abs());
        assert!(in_redis + stay(POINTER_HERE, false, 999) < KNOWN);
    }

    #[test]
    fn what_was_heard_meanwhile_goes_before_what_lies_about() {
        assert_eq!(newest(Some(active(6)), Some(active(7))), Some(active(7)));
        assert_eq!(newest(None, Some(active(7))), Some(active(7)));
        assert_eq!(newest(Some(active(7)), Some(active(6))), Some(active(7)));
        assert_eq!(newest(Some(active(7)), None), Some(active(7)));
        assert_eq!(newest(None, None), None);
    }

    #[test]
    fn a_pointer_reads_as_it_is_written_and_nothing_else_is_one() {
        let mut retired = pointer(7, NOW);
        retired.active.iter_mut().for_each(|active| active.retired = true);
        for written in [pointer(7, NOW), retired, Pointer { active: None, read_at: NOW }] {
            assert_eq!(Pointer::read(written.write().as_bytes()), Some(written));
        }
        for other in ["", "x", "1 2 3", "1 2 3 abc 0 5", "\u{0}"] {
            assert_eq!(Pointer::read(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn entries_that_came_together_do_not_go_together() {
        let hour = Duration::from_secs(3600);
        let stays: Vec<_> = (0..1_000).map(|spread| stay(hour, false, spread)).collect();
        assert!(stays.iter().all(|stay| (hour.mul_f64(0.9)..=hour.mul_f64(1.1)).contains(stay)));
        assert!(stays[0] < stays[999]);
        assert!(stay(hour, true, 0) <= ABSENT);
    }

    #[test]
    fn what_is_known_holds_for_a_moment_after_it_was_confirmed() {
        let now = Instant::now();
        assert!(!is_known(None, now));
        assert!(is_known(Some(now), now + KNOWN));
        assert!(!is_known(Some(now), now + KNOWN + Duration::from_millis(1)));
    }
}
