//! Turns a judged chunk into one Postgres transaction: fence, COPY of the good, COPY of the rejects, commit.

mod aside;
mod counted;
mod evict;
mod faults;
mod fence;
mod gate;
mod loader;
mod reread;
mod slow;
mod sql;
mod target;
mod transaction;
mod watch;

use std::sync::Arc;

pub use aside::set_aside;
pub use evict::{Evicted, LOADER_NAME, evict_blockers};
pub use faults::{FaultClass, Site, classify};
pub use gate::{Aside, Entry, Gates, Pass, Standing};
pub use loader::{LoadError, Loader};
pub use target::{TargetChange, TargetError, check_target, ensure_target, prepare_target, probe_target};

use crate::chunk::{Chunk, ChunkId, Delivery, JobId, Origin, TokenHash};
use crate::config::PinnedFeed;
use crate::rules::Verdict;

/// A chunk that has been judged and encoded, ready to load.
pub struct JudgedChunk {
    pub job: JobId,
    pub token: TokenHash,
    pub delivery: Delivery,
    pub origin: Origin,
    /// CRC-32C as the message stated it; the fence tells a repeated seq with other bytes by it.
    pub crc: u32,
    pub feed: Arc<PinnedFeed>,
    /// As cut. [`crate::rules::Reject`] points into its payload; the slow path reads it again.
    pub chunk: Chunk,
    pub verdict: Verdict,
    /// The accepted records as one whole binary COPY of the target's columns ([`crate::copy::RowEncoder`]).
    pub rows: Vec<u8>,
}

impl JudgedChunk {
    pub fn id(&self) -> ChunkId {
        ChunkId { job: self.job, seq: self.chunk.seq }
    }
}

/// What became of a chunk. Whatever it says has been committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Loaded {
        loaded: u64,
        rejected: u64,
    },
    Already,
    /// The job has been failed, unless it had ended before; the message belongs in the dead letters.
    Conflict,
    Stopped,
    /// The message belongs in the dead letters.
    Unknown,
    /// The target is at fault: the chunk is recorded as owed and its job parked.
    Parked {
        reason: String,
    },
    /// The target is held for now: the chunk is recorded as owed, its job goes on.
    Owed {
        reason: String,
    },
}
