//! How far a partition is behind: from the messages that were taken of it, and where its log ends.

use std::collections::VecDeque;

/// Messages of one assignment, as far as they tell of its lag.
#[derive(Debug, Default)]
pub struct Ages {
    /// Taken and not known to be finished, ascending: offset, and when the broker appended it, in ms since 1970.
    taken: VecDeque<(i64, i64)>,
    /// When the last finished one was appended.
    finished_ms: Option<i64>,
    messages: u64,
    records: u64,
}

/// What is not finished of a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behind {
    pub messages: u64,
    /// By the mean of the messages that were read; `None` while none was.
    pub records: Option<f64>,
    /// When the oldest was appended, in ms since 1970; or, where it was not taken yet, an earlier one. `None` where no
    /// message is behind, or none was taken ever.
    pub oldest_ms: Option<i64>,
}

impl Ages {
    /// A message was taken; `next`: the first that is not finished.
    pub fn appended(&mut self, offset: i64, at_ms: Option<i64>, next: Option<i64>) {
        if let Some(next) = next {
            self.forget_before(next);
        }
        if let Some(at_ms) = at_ms {
            self.taken.push_back((offset, at_ms));
        }
    }

    pub fn read(&mut self, records: u32) {
        self.messages += 1;
        self.records += u64::from(records);
    }

    /// `next`: the first that is not finished; `end`: one past the last of the log.
    pub fn behind(&mut self, next: i64, end: i64) -> Behind {
        self.forget_before(next);
        let messages = end.saturating_sub(next).max(0).unsigned_abs();
        let mean = (self.messages > 0).then(|| self.records as f64 / self.messages as f64);
        let oldest = self.taken.front().map(|(_, at_ms)| *at_ms).or(self.finished_ms);
        Behind {
            messages,
            records: mean.map(|mean| mean * messages as f64),
            oldest_ms: oldest.filter(|_| messages > 0),
        }
    }

    fn forget_before(&mut self, next: i64) {
        while let Some((_, at_ms)) = self.taken.pop_front_if(|(offset, _)| *offset < next) {
            self.finished_ms = Some(at_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unfinished_message_says_how_old_the_lag_is() {
        let mut ages = Ages::default();
        (0..4).for_each(|offset| ages.appended(offset, Some(1_000 + offset), None));
        assert_eq!(ages.behind(0, 10).oldest_ms, Some(1_000));
        assert_eq!(ages.behind(2, 10).oldest_ms, Some(1_002));
        assert_eq!(ages.behind(10, 10), Behind { messages: 0, records: None, oldest_ms: None });
    }

    #[test]
    fn a_message_that_is_not_taken_yet_is_younger_than_the_last_finished_one() {
        let mut ages = Ages::default();
        ages.appended(0, Some(1_000), None);
        assert_eq!(ages.behind(1, 3), Behind { messages: 2, records: None, oldest_ms: Some(1_000) });
    }

    #[test]
    fn records_are_told_by_the_mean_of_what_was_read() {
        let mut ages = Ages::default();
        [100, 300].into_iter().for_each(|records| ages.read(records));
        assert_eq!(ages.behind(7, 10).records, Some(600.0));
    }
}
