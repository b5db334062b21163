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
    /// Behind the last message of the batch before, or where the partition was placed.
    from: i64,
    /// Behind the last message.
    next: i64,
}

/// A message comes after one that is behind it in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfOrder;

impl Gathering {
    /// Of a partition that is fetched from there on.
    pub fn from(offset: i64) -> Self {
        Self { from: offset, next: offset, ..Self::default() }
    }

    /// `longest`: bytes that a record may have.
    pub fn push(
        &mut self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        longest: usize,
        now: Instant,
    ) -> Result<(), OutOfOrder> {
        if offset < self.next {
            return Err(OutOfOrder);
        }
        self.next = offset + 1;
        self.bytes += value.map_or(0, <[u8]>::len) as u64;
        self.messages.push(offset.unsigned_abs(), key, value, longest);
        self.since.get_or_insert(now);
        Ok(())
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

    /// Where the batch begins: between there and its first message is none.
    pub fn begins_at(&self) -> i64 {
        self.from
    }

    /// The batch; another begins behind it.
    pub fn take(&mut self) -> Messages {
        let next = Self::from(self.next);
        std::mem::replace(self, next).messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { records: 3, bytes: 10, milliseconds: 200 };

    fn gathered(values: &[&str], now: Instant) -> Gathering {
        let mut gathering = Gathering::default();
        for (offset, value) in (0..).zip(values) {
            gathering.push(offset, None, Some(value.as_bytes()), 1_000, now).unwrap();
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

    #[test]
    fn a_batch_begins_where_the_one_before_has_ended_or_the_partition_was_placed() {
        let now = Instant::now();
        let mut gathering = Gathering::from(5);
        let push = |gathering: &mut Gathering, offset| gathering.push(offset, None, Some(b"a"), 1_000, now);
        assert_eq!((push(&mut gathering, 7), push(&mut gathering, 8)), (Ok(()), Ok(())));
        assert_eq!((gathering.begins_at(), gathering.take().last_offset()), (5, Some(8)));
        assert_eq!(push(&mut gathering, 8), Err(OutOfOrder));
        assert_eq!(push(&mut gathering, 11), Ok(()));
        assert_eq!(gathering.begins_at(), 9);
    }
}
