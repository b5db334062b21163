//! Turns a judged chunk into one Postgres transaction: fence, COPY of the good, COPY of the rejects, commit.

pub mod encode;
mod faults;
mod loader;
mod target;

use std::sync::Arc;

pub use faults::{FaultClass, classify};
pub use loader::{LoadError, Loader};
pub use target::{TargetError, ensure_target};

use crate::chunk::{ChunkId, Position, TokenHash};
use crate::config::FeedVersion;
use crate::rules::Verdict;

/// Where a message stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

/// A chunk that has been judged and encoded, ready to load.
pub struct JudgedChunk {
    pub id: ChunkId,
    pub token: TokenHash,
    pub delivery: Delivery,
    pub start: Position,
    pub span: u64,
    pub crc: u32,
    pub blanks: u32,
    pub feed: Arc<FeedVersion>,
    /// Source bytes; [`crate::rules::Reject`] points into them.
    pub payload: Vec<u8>,
    pub verdict: Verdict,
    /// The accepted records as one whole binary COPY of the target's columns ([`encode::RowEncoder`]).
    pub rows: Vec<u8>,
}

/// What became of a chunk. Whatever it says has been committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Loaded {
        loaded: u64,
        rejected: u64,
    },
    Already,
    /// The job has been failed; the message belongs in the dead letters.
    Conflict,
    Stopped,
    /// The message belongs in the dead letters.
    Unknown,
    /// The target is at fault: the chunk is recorded as owed and its job parked.
    Parked {
        reason: String,
    },
}
