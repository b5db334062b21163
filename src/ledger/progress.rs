//! How far one assignment of one partition may be committed: the longest prefix of deliveries that are finished.

use std::collections::{BTreeMap, VecDeque};

use crate::chunk::ChunkId;

/// Chunks that a commit names at most. Loaders commit in another order than the partition's, and their answers come in yet
/// another; but no more chunks than this are under way at once, short of eight loaders that load eight together.
pub const NAMED: usize = 64;

/// How far a partition may be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committable {
    /// Of the first delivery that is not finished, or the one after the last.
    pub next_offset: i64,
    /// Of the prefix's chunks that have a ledger row those that finished last, at most [`NAMED`], in that order. The
    /// commit's metadata names them, so that whoever is assigned the partition next can tell whether Postgres still
    /// knows what Kafka believes to be loaded: where it knows all of these it knows those before them.
    pub last_in_ledger: Vec<ChunkId>,
}

/// Deliveries of one assignment. Offsets begin in ascending order, with holes (compaction, transaction markers), and
/// finish in any order.
#[derive(Debug, Default)]
pub struct Progress {
    /// Begun and not in the prefix, ascending.
    open: VecDeque<Entry>,
    next_offset: Option<i64>,
    /// By when they finished.
    last_in_ledger: BTreeMap<u64, ChunkId>,
    last_begun: Option<i64>,
    finished: u64,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    /// As the how many-th, and what became of it.
    finished: Option<(u64, Finish)>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Its ledger row exists.
    InLedger(ChunkId),
    /// It is accounted for elsewhere: a dead letter, an owed chunk, an ended job.
    Elsewhere,
}

impl Progress {
    /// A delivery has been taken. One at or below an earlier one is a redelivery, which changes nothing.
    pub fn begin(&mut self, offset: i64) {
        if self.last_begun.is_none_or(|last| offset > last) {
            self.last_begun = Some(offset);
            self.open.push_back(Entry { offset, finished: None });
        }
    }

    /// A delivery is done with. One that was not begun, or is finished already, changes nothing.
    pub fn finish(&mut self, offset: i64, what: Finish) {
        let Ok(place) = self.open.binary_search_by_key(&offset, |entry| entry.offset) else { return };
        self.finished += 1;
        self.open[place].finished.get_or_insert((self.finished, what));
        while let Some(Entry { offset, finished: Some((when, finish)) }) = self.open.front() {
            self.next_offset = Some(offset + 1);
            if let Finish::InLedger(chunk) = finish {
                self.last_in_ledger.insert(*when, *chunk);
            }
            self.open.pop_front();
        }
        while self.last_in_ledger.len() > NAMED {
            self.last_in_ledger.pop_first();
        }
    }

    /// Nothing before `offset` will ever be delivered: so far it may be committed, whatever is in flight after it.
    pub fn skip_to(&mut self, offset: i64) {
        self.next_offset.get_or_insert(offset);
    }

    /// `None` while nothing of this assignment may be committed.
    pub fn committable(&self) -> Option<Committable> {
        let last_in_ledger = self.last_in_ledger.values().copied().collect();
        self.next_offset.map(|next_offset| Committable { next_offset, last_in_ledger })
    }

    /// Whether everything that was begun is finished.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{JobId, Seq};
    use proptest::prelude::*;

    fn chunk(offset: i64) -> ChunkId {
        ChunkId { job: JobId(1), seq: Seq(offset as u32) }
    }

    fn committable(next_offset: i64, named: &[i64]) -> Option<Committable> {
        Some(Committable { next_offset, last_in_ledger: named.iter().copied().map(chunk).collect() })
    }

    fn done(offset: i64) -> Finish {
        Finish::InLedger(chunk(offset))
    }

    #[test]
    fn what_finishes_out_of_order_waits_for_what_came_before() {
        let mut progress = Progress::default();
        [10, 11, 15].into_iter().for_each(|offset| progress.begin(offset));
        progress.finish(15, done(15));
        progress.finish(11, done(11));
        assert_eq!(progress.committable(), None);
        progress.finish(10, done(10));
        assert_eq!(progress.committable(), committable(16, &[15, 11, 10]));
        assert!(progress.is_idle());
    }

    #[test]
    fn a_gap_is_passed_at_once_and_never_goes_back() {
        let mut progress = Progress::default();
        progress.begin(50);
        progress.skip_to(50);
        assert_eq!(progress.committable(), committable(50, &[]));
        progress.finish(50, done(50));
        progress.skip_to(50);
        assert_eq!(progress.committable(), committable(51, &[50]));
    }

    #[test]
    fn a_dead_letter_moves_the_offset_but_not_the_proof() {
        let mut progress = Progress::default();
        [0, 1].into_iter().for_each(|offset| progress.begin(offset));
        progress.finish(0, done(0));
        progress.finish(1, Finish::Elsewhere);
        assert_eq!(progress.committable(), committable(2, &[0]));
    }

    #[test]
    fn those_are_named_that_finished_last() {
        let mut progress = Progress::default();
        let offsets = || 0..NAMED as i64 + 2;
        offsets().for_each(|offset| progress.begin(offset));
        offsets().rev().for_each(|offset| progress.finish(offset, done(offset)));
        let named: Vec<i64> = (0..NAMED as i64).rev().collect();
        assert_eq!(progress.committable(), committable(NAMED as i64 + 2, &named));
    }

    /// Everything that was begun, in order; walks the whole of it each time.
    #[derive(Default)]
    struct Naive {
        begun: Vec<i64>,
        finished: Vec<(i64, Finish)>,
    }

    impl Naive {
        fn committable(&self) -> Option<Committable> {
            let is_finished = |offset: &&i64| self.finished.iter().any(|(done, _)| done == *offset);
            let prefix: Vec<i64> = self.begun.iter().take_while(is_finished).copied().collect();
            let in_ledger = |(offset, finish): &(i64, Finish)| match finish {
                Finish::InLedger(_) if prefix.contains(offset) => Some(*offset),
                _ => None,
            };
            let named: Vec<i64> = self.finished.iter().filter_map(in_ledger).collect();
            committable(prefix.last()? + 1, &named)
        }
    }

    #[derive(Debug, Clone)]
    enum Action {
        Begin(i64),
        Finish(i64, bool),
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let action = prop_oneof![
            (0..40i64).prop_map(Action::Begin),
            (0..40i64, any::<bool>()).prop_map(|(o, l)| Action::Finish(o, l))
        ];
        prop::collection::vec(action, 0..120)
    }

    proptest! {
        #[test]
        fn progress_agrees_with_a_naive_walk(actions in actions()) {
            let (mut progress, mut naive) = (Progress::default(), Naive::default());
            for action in actions {
                match action {
                    Action::Begin(offset) => {
                        progress.begin(offset);
                        if naive.begun.last().is_none_or(|last| offset > *last) {
                            naive.begun.push(offset);
                        }
                    }
                    Action::Finish(offset, in_ledger) => {
                        let finish = if in_ledger { done(offset) } else { Finish::Elsewhere };
                        progress.finish(offset, finish);
                        let known = naive.begun.contains(&offset);
                        if known && !naive.finished.iter().any(|(done, _)| *done == offset) {
                            naive.finished.push((offset, finish));
                        }
                    }
                }
                prop_assert_eq!(progress.committable(), naive.committable());
                prop_assert_eq!(progress.is_idle(), naive.finished.len() == naive.begun.len());
            }
        }
    }
}
