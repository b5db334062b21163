//! Turns the local time of a zone into UTC.
//!
//! Zones come from the IANA database that is compiled in, never from the machine's: a chunk that is delivered again
//! elsewhere must get the same answer. A local time that a zone skipped (clocks went forward) does not exist and is
//! refused; one that it showed twice (clocks went back) means the first of the two, as in RFC 5545, section 3.3.5.

use jiff::Timestamp;
use jiff::civil::{self, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

const DAY_SECONDS: i64 = 86_400;

/// A time zone, its changes of offset worked out.
#[derive(Debug, Clone)]
pub struct Zone {
    zone: TimeZone,
    /// Seconds east of UTC at [`FIRST_YEAR`].
    first_offset: i64,
    /// In the order of time, each from [`FIRST_YEAR`] until [`LAST_YEAR`].
    changes: Vec<Change>,
    /// Local seconds since 1970-01-01 that `changes` answers for.
    known: std::ops::Range<i64>,
}

/// Years whose changes are worked out ahead: those of nearly every record. Others are asked of jiff.
const FIRST_YEAR: i16 = 1970;
const LAST_YEAR: i16 = 2099;

/// A change of offset, in local seconds since 1970-01-01.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// The window that was skipped or shown twice.
    from: i64,
    until: i64,
    /// Seconds east of UTC before and after.
    before: i64,
    after: i64,
}

impl Zone {
    /// The zone of an IANA name such as `Europe/Zurich`, in any case; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self::of)
    }

    fn of(zone: TimeZone) -> Self {
        let start = civil::date(FIRST_YEAR, 1, 1).at(0, 0, 0, 0);
        let end = civil::date(LAST_YEAR, 12, 31).at(0, 0, 0, 0);
        let first = utc(start);
        let last = utc(end).as_second();
        let first_offset = i64::from(zone.to_offset(first).seconds());
        let mut before = first_offset;
        let mut changes = Vec::new();
        for transition in zone.following(first).take_while(|change| change.timestamp().as_second() < last) {
            let after = i64::from(transition.offset().seconds());
            let at = transition.timestamp().as_second();
            if after != before {
                changes.push(Change { from: at + before.min(after), until: at + before.max(after), before, after });
            }
            before = after;
        }
        // A day at each end is left to jiff, so that no change just outside is missed.
        let known = first.as_second() + DAY_SECONDS..last - DAY_SECONDS;
        Self { zone, first_offset, changes, known }
    }

    /// Seconds east of UTC at a local time, in seconds since 1970-01-01T00:00:00 local; `None` where the zone
    /// skipped it.
    pub(super) fn offset_at(&self, local: i64) -> Option<i64> {
        if !self.known.contains(&local) {
            return self.ask(local);
        }
        let passed = self.changes.partition_point(|change| change.from <= local);
        let Some(change) = passed.checked_sub(1).map(|last| self.changes[last]) else {
            return Some(self.first_offset);
        };
        if local >= change.until {
            Some(change.after)
        } else if change.before < change.after {
            None
        } else {
            Some(change.before)
        }
    }

    #[cold]
    fn ask(&self, local: i64) -> Option<i64> {
        let written = Timestamp::from_second(local).ok()?;
        let civil = jiff::tz::Offset::UTC.to_datetime(written);
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(i64::from(offset.seconds())),
            AmbiguousOffset::Fold { before, .. } => Some(i64::from(before.seconds())),
            AmbiguousOffset::Gap { .. } => None,
        }
    }
}

fn utc(civil: DateTime) -> Timestamp {
    jiff::tz::Offset::UTC.to_timestamp(civil).expect("years 1970 and 2099 are in jiff's range")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn local(year: i16, month: i8, day: i8, hour: i8, minute: i8) -> i64 {
        utc(civil::date(year, month, day).at(hour, minute, 0, 0)).as_second()
    }

    #[test]
    fn clocks_that_go_forward_skip_an_hour() {
        let zone = Zone::named("Europe/Zurich").unwrap();
        assert_eq!(zone.offset_at(local(2026, 3, 29, 1, 59)), Some(3600));
        assert_eq!(zone.offset_at(local(2026, 3, 29, 2, 0)), None);
        assert_eq!(zone.offset_at(local(2026, 3, 29, 2, 59)), None);
        assert_eq!(zone.offset_at(local(2026, 3, 29, 3, 0)), Some(7200));
    }

    #[test]
    fn an_hour_shown_twice_means_the_first() {
        let zone = Zone::named("America/New_York").unwrap();
        assert_eq!(zone.offset_at(local(2026, 11, 1, 0, 59)), Some(-4 * 3600));
        assert_eq!(zone.offset_at(local(2026, 11, 1, 1, 0)), Some(-4 * 3600));
        assert_eq!(zone.offset_at(local(2026, 11, 1, 1, 59)), Some(-4 * 3600));
        assert_eq!(zone.offset_at(local(2026, 11, 1, 2, 0)), Some(-5 * 3600));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_none() {
        assert!(Zone::named("Europe/Berne").is_none());
        assert!(Zone::named("").is_none());
        assert!(Zone::named("europe/zurich").is_some());
    }

    proptest! {
        #[test]
        fn changes_worked_out_ahead_agree_with_jiff(
            name in prop::sample::select(vec![
                "UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata",
                "Africa/Casablanca", "America/Caracas", "Europe/Dublin",
            ]),
            year in 1968i16..2102, day in 0i64..366, second in 0i64..DAY_SECONDS,
        ) {
            let zone = Zone::named(name).unwrap();
            let local = local(year, 1, 1, 0, 0) + day * DAY_SECONDS + second;
            prop_assert_eq!(zone.offset_at(local), zone.ask(local));
        }
    }

    #[test]
    fn changes_worked_out_ahead_agree_with_jiff_around_every_change() {
        for name in ["Europe/Zurich", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"] {
            let zone = Zone::named(name).unwrap();
            for change in &zone.changes {
                for local in [change.from - 1, change.from, change.until - 1, change.until] {
                    assert_eq!(zone.offset_at(local), zone.ask(local), "{name} {local}");
                }
            }
        }
    }
}
