//! Which records of a partition may have killed the process that held it before, and how few of them are tried at once.
//!
//! A partition has one batch in flight, which begins at its position: so what a dead process can have had in hand of it are
//! the first records from there, no more than a batch holds and than its log held then. They are tried alone in the
//! process, [`TOGETHER`] at once; where that kills one again, each by itself.

use crate::validate::ATTEMPTS;

/// Records that are tried at once before it is known which of them kills: each costs its notes, and one death is spared
/// where they are few.
const TOGETHER: usize = 64;

/// Records that are tried alone in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    pub from: i64,
    /// Of the last one.
    pub to: i64,
    /// Processes that did not live through it.
    pub deaths: u32,
}

impl Trial {
    pub const fn is_of_one(&self) -> bool {
        self.from == self.to
    }

    /// The first death is not on record: nobody knew yet what it was.
    pub const fn is_condemned(&self) -> bool {
        self.is_of_one() && self.deaths + 1 >= ATTEMPTS
    }
}

/// Of a partition whose last holder ended without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// What comes from there on was in no hand then.
    until: i64,
    /// Records that may still have been.
    left: usize,
    /// The trial that its process did not live through.
    killed: Option<Trial>,
}

impl Suspicion {
    /// `end`: where the log ends. `most`: records that a batch may have. `None`: there is nothing that it could have been.
    pub fn new(position: i64, end: i64, most: usize, killed: Option<Trial>) -> Option<Self> {
        let killed = killed.filter(|killed| killed.to >= position);
        (position < end).then_some(Self { until: end, left: most, killed })
    }

    /// Of records with these offsets, ascending, how many of the first ones are to be tried alone. `None`: they are above
    /// suspicion.
    pub fn trial(&self, offsets: impl Iterator<Item = i64>) -> Option<(usize, Trial)> {
        let mut offsets = offsets.take_while(|offset| *offset < self.until).take(self.left.min(TOGETHER)).peekable();
        let from = *offsets.peek()?;
        if let Some(killed) = self.killed.filter(|killed| from <= killed.to) {
            let deaths = if killed.is_of_one() && killed.from == from { killed.deaths } else { 0 };
            return Some((1, Trial { from, to: from, deaths }));
        }
        let (count, to) = offsets.fold((0, from), |(count, _), offset| (count + 1, offset));
        Some((count, Trial { from, to, deaths: 0 }))
    }

    /// Records up to there are loaded, so many; `false`: nothing is left of the suspicion.
    pub fn loaded(&mut self, records: usize, next: i64) -> bool {
        self.left = self.left.saturating_sub(records);
        self.left > 0 && next < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(suspicion: &Suspicion, from: i64, count: i64) -> Option<(usize, Trial)> {
        suspicion.trial(from..from + count)
    }

    #[test]
    fn what_was_in_hand_is_tried_a_few_at_once_and_the_rest_is_above_suspicion() {
        let mut suspicion = Suspicion::new(100, 400, 130, None).unwrap();
        assert_eq!(trial(&suspicion, 100, 200), Some((64, Trial { from: 100, to: 163, deaths: 0 })));
        assert!(suspicion.loaded(64, 164));
        assert!(suspicion.loaded(64, 228));
        assert_eq!(trial(&suspicion, 228, 200), Some((2, Trial { from: 228, to: 229, deaths: 0 })));
        assert!(!suspicion.loaded(2, 230));
        assert_eq!(trial(&suspicion, 230, 200), None);
    }

    #[test]
    fn what_was_not_in_the_log_then_is_above_suspicion() {
        assert_eq!(Suspicion::new(100, 100, 130, None), None);
        let mut suspicion = Suspicion::new(100, 103, 130, None).unwrap();
        assert_eq!(trial(&suspicion, 100, 9), Some((3, Trial { from: 100, to: 102, deaths: 0 })));
        assert_eq!(trial(&suspicion, 103, 9), None);
        assert!(!suspicion.loaded(3, 103));
    }

    #[test]
    fn after_a_few_have_killed_each_is_tried_by_itself_and_one_that_kills_twice_is_condemned() {
        let few = Trial { from: 100, to: 163, deaths: 1 };
        let suspicion = Suspicion::new(100, 400, 130, Some(few)).unwrap();
        assert_eq!(trial(&suspicion, 120, 9), Some((1, Trial { from: 120, to: 120, deaths: 0 })));
        assert_eq!(trial(&suspicion, 164, 9).unwrap().0, 9);
        let one = Trial { from: 120, to: 120, deaths: 2 };
        let suspicion = Suspicion::new(120, 400, 130, Some(one)).unwrap();
        let (count, trial) = trial(&suspicion, 120, 9).unwrap();
        assert!(count == 1 && trial.is_condemned());
        assert!(!Trial { deaths: 1, ..one }.is_condemned() && !Trial { deaths: 9, ..few }.is_condemned());
    }

    #[test]
    fn a_trial_that_the_position_has_passed_is_forgotten() {
        let past = Trial { from: 90, to: 99, deaths: 1 };
        let suspicion = Suspicion::new(100, 400, 130, Some(past)).unwrap();
        assert_eq!(trial(&suspicion, 100, 9).unwrap().0, 9);
    }
}
