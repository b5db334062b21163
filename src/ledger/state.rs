//! The states of a job, and who may move it from which to which.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Pinned, nothing published.
    Registered,
    Publishing,
    /// All chunks are published; not all are loaded.
    Loading,
    /// All chunks are loaded; totals are being compared.
    Reconciling,
    Completed,
    Failed,
    /// Its own target is at fault, or a chunk of it is quarantined; what it owes is recorded.
    Parked,
    /// On its way to `Stopped`: no new chunk is taken, running ones end.
    Stopping,
    Stopped,
    /// Its publisher's lease ran out.
    Stalled,
    /// Chunks are missing that no topic holds any more.
    Incomplete,
    Duplicate,
    Undoing,
    Undone,
}

/// What moves a job. [`JobState::after`] is the table of where each may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// The publisher took the lease, or renewed it.
    Publish,
    /// The publisher has read the file to its end, and every chunk is acknowledged.
    Close,
    /// The publisher's file turned out to be the content of another job.
    Duplicate,
    /// The file changed or went away under the publisher; or a loader met other bytes under a loaded seq.
    Fail,
    /// The loader found the target at fault, or a chunk has killed its worker too often.
    Park,
    /// The steward saw the publisher's lease run out.
    LeaseExpired,
    /// The steward found every published chunk in the ledger.
    AllLoaded,
    /// The steward found that the totals agree.
    Reconciled,
    /// The steward found that they do not, or that the feed refuses an empty file.
    Mismatch,
    /// The steward saw a `stop` threshold passed.
    ThresholdStop,
    /// The steward saw that the consumers are past the job's last chunk, and some are not in the ledger.
    ChunksLost,
    /// An operator wants it ended.
    Cancel,
    /// Whoever stops the job holds its lock alone: nothing of it is in flight.
    LockTaken,
    /// An operator mended the target. Where the job goes depends on how far its publisher came.
    Resume(Published),
}

/// How much of a job's file its publisher has put on the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Published {
    Partly,
    Whole,
}

/// A move that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} does not move by {by:?}")]
pub struct Refused {
    pub from: JobState,
    pub by: Move,
}

/// A text that names no state: a newer release wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no job state {0:?} in this release of fabric")]
pub struct UnknownState(pub String);

impl TryFrom<String> for JobState {
    type Error = UnknownState;

    fn try_from(name: String) -> Result<Self, UnknownState> {
        Self::parse(&name).ok_or(UnknownState(name))
    }
}

impl JobState {
    pub const ALL: [Self; 14] = [
        Self::Registered,
        Self::Publishing,
        Self::Loading,
        Self::Reconciling,
        Self::Completed,
        Self::Failed,
        Self::Parked,
        Self::Stopping,
        Self::Stopped,
        Self::Stalled,
        Self::Incomplete,
        Self::Duplicate,
        Self::Undoing,
        Self::Undone,
    ];

    /// As it stands in Postgres, in JSON and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Publishing => "publishing",
            Self::Loading => "loading",
            Self::Reconciling => "reconciling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Stalled => "stalled",
            Self::Incomplete => "incomplete",
            Self::Duplicate => "duplicate",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The one table of moves: where `by` leads from here.
    pub fn after(self, by: Move) -> Result<Self, Refused> {
        use JobState as S;
        let to = match (by, self) {
            // A parked job is published on, and stays parked: only its loading rests.
            (Move::Publish | Move::Close, S::Parked) => S::Parked,
            (Move::Publish, S::Registered | S::Publishing | S::Stalled | S::Incomplete) => S::Publishing,
            (Move::Close, S::Registered | S::Publishing | S::Stalled) => S::Loading,
            (Move::Duplicate, S::Registered | S::Publishing | S::Stalled | S::Parked) => S::Duplicate,
            (Move::Fail, from) if from.takes_chunks() || from == S::Reconciling => S::Failed,
            (Move::Park, from) if from.takes_chunks() => S::Parked,
            (Move::LeaseExpired, S::Registered | S::Publishing) => S::Stalled,
            // Chunks that were missing or owed may arrive after all.
            (Move::AllLoaded, S::Loading | S::Incomplete | S::Parked) => S::Reconciling,
            (Move::Reconciled, S::Reconciling) => S::Completed,
            (Move::Mismatch, S::Reconciling) => S::Failed,
            (Move::ThresholdStop, from) if from.takes_chunks() || from == S::Reconciling => S::Stopping,
            (Move::ChunksLost, S::Loading) => S::Incomplete,
            // Cancelling again goes on where a canceller died.
            (Move::Cancel, from) if from.takes_chunks() || matches!(from, S::Reconciling | S::Stopping) => S::Stopping,
            (Move::LockTaken, S::Stopping) => S::Stopped,
            // A job that was resumed may still owe chunks, where whoever resumed it died: it can be resumed again.
            (Move::Resume(Published::Whole), S::Parked | S::Loading) => S::Loading,
            // Its publisher moves it on with the next renewal, if there is one.
            (Move::Resume(Published::Partly), S::Parked | S::Stalled) => S::Stalled,
            (by, from) => return Err(Refused { from, by }),
        };
        Ok(to)
    }

    /// The fence lets chunks of such a job in; `migrations/0005_fence.sql` says the same.
    pub const fn takes_chunks(self) -> bool {
        matches!(
            self,
            Self::Registered | Self::Publishing | Self::Loading | Self::Stalled | Self::Incomplete | Self::Parked
        )
    }

    /// The steward looks after such a job.
    pub const fn is_live(self) -> bool {
        self.takes_chunks() || matches!(self, Self::Reconciling | Self::Stopping)
    }

    /// Nothing more happens to such a job unless somebody asks for it, or chunks thought lost arrive.
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Stopped | Self::Incomplete | Self::Duplicate | Self::Undone
        )
    }

    /// The exit code of a command that waited for the job: 0 done, 3 the data's doing, 1 its target is at fault.
    /// `None` while there is something to wait for.
    pub const fn exit_code(self) -> Option<u8> {
        match self {
            Self::Completed => Some(0),
            Self::Failed | Self::Stopped | Self::Incomplete | Self::Duplicate | Self::Undone => Some(3),
            Self::Parked => Some(1),
            Self::Registered
            | Self::Publishing
            | Self::Loading
            | Self::Reconciling
            | Self::Stopping
            | Self::Stalled
            | Self::Undoing => None,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 15] = [
        Move::Publish,
        Move::Close,
        Move::Duplicate,
        Move::Fail,
        Move::Park,
        Move::LeaseExpired,
        Move::AllLoaded,
        Move::Reconciled,
        Move::Mismatch,
        Move::ThresholdStop,
        Move::ChunksLost,
        Move::Cancel,
        Move::LockTaken,
        Move::Resume(Published::Partly),
        Move::Resume(Published::Whole),
    ];

    #[test]
    fn every_move_from_every_state_is_as_the_table_says() {
        let mut table = String::new();
        for by in MOVES {
            let name = format!("{by:?}");
            for from in JobState::ALL {
                if let Ok(to) = from.after(by) {
                    table += &format!("{name:<18} {from:<11} -> {to}\n");
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_fence_in_sql_takes_chunks_in_the_same_states() {
        let sql = include_str!("../../migrations/0005_fence.sql");
        let (_, list) = sql.split_once("if state not in (").expect("the fence lists states");
        let (list, _) = list.split_once(')').expect("the list ends");
        let mut in_sql: Vec<&str> = list.split(',').map(|name| name.trim().trim_matches('\'')).collect();
        let mut in_code: Vec<&str> =
            JobState::ALL.into_iter().filter(|s| s.takes_chunks()).map(JobState::as_str).collect();
        in_sql.sort_unstable();
        in_code.sort_unstable();
        assert_eq!(in_sql, in_code);
    }

    #[test]
    fn an_ended_job_moves_only_where_it_lacks_chunks() {
        for from in JobState::ALL.into_iter().filter(|s| s.has_ended() && *s != JobState::Incomplete) {
            assert!(MOVES.into_iter().all(|by| from.after(by).is_err()), "{from}");
        }
    }

    #[test]
    fn a_job_that_is_neither_live_nor_undoing_has_ended() {
        for state in JobState::ALL {
            assert!(state.is_live() || state.has_ended() || state == JobState::Undoing, "{state}");
        }
    }

    #[test]
    fn names_read_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(JobState::parse("Loading"), None);
    }
}
