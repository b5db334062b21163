//! Gathers a partition's messages until they are a batch.

use std::time::{Duration, Instant};

use crate::feed::BatchLimits;
use crate::record::Messages;

/// Messages of one partition that follow on each other, and when the first of them was taken.
#[derive(Debug, Default)]
pub struct Gathering {
    messages: Messages,
    bytes: u64,
    since: Option<Instant>,
}

impl Gathering {
    /// `longest`: bytes that a record may have.
    pub fn push(&mut self, offset: u64, key: Option<&[u8]>, value: Option<&[u8]>, longest: usize, now: Instant) {
        self.bytes += value.map_or(0, <[u8]>::len) as u64;
        self.messages.push(offset, key, value, longest);
        self.since.get_or_insert(now);
    }

    /// Whether it takes another message before it is loaded.
    pub fn has_room(&self, limits: &BatchLimits) -> bool {
        self.messages.len() < limits.records as usize && self.bytes < limits.bytes
    }

    /// When it closes by its age; `None`: nothing is in it.
    pub fn closes_at(&self, limits: &BatchLimits) -> Option<Instant> {
        self.since.map(|since| since + Duration::from_millis(limits.milliseconds))
    }

    /// Whether it is to be loaded now.
    pub fn is_closed(&self, limits: &BatchLimits, now: Instant) -> bool {
        self.closes_at(limits).is_some_and(|at| now >= at || !self.has_room(limits))
    }

    pub fn bytes(&self) -> usize {
        self.messages.payload().len()
    }

    /// The batch; it begins anew.
    pub fn take(&mut self) -> Messages {
        std::mem::take(self).messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { records: 3, bytes: 10, milliseconds: 200 };

    fn gathered(values: &[&str], now: Instant) -> Gathering {
        let mut gathering = Gathering::default();
        for (offset, value) in values.iter().enumerate() {
            gathering.push(offset as u64, None, Some(value.as_bytes()), 1_000, now);
        }
        gathering
    }

    #[test]
    fn a_batch_closes_by_records_bytes_or_time_whichever_comes_first() {
        let now = Instant::now();
        assert!(!Gathering::default().is_closed(&LIMITS, now + Duration::from_secs(9)));
        assert!(!gathered(&["a"], now).is_closed(&LIMITS, now));
        assert!(gathered(&["a", "b", "c"], now).is_closed(&LIMITS, now));
        assert!(gathered(&["0123456789"], now).is_closed(&LIMITS, now));
        assert!(gathered(&["a"], now).is_closed(&LIMITS, now + Duration::from_millis(200)));
    }

    #[test]
    fn what_was_taken_is_not_in_the_next_batch() {
        let now = Instant::now();
        let mut gathering = gathered(&["a"], now);
        assert_eq!(gathering.take().len(), 1);
        assert_eq!((gathering.bytes(), gathering.closes_at(&LIMITS)), (0, None));
    }
}
