//! Turns a judged chunk of a file, or a batch of a stream, into one Postgres transaction: fence, COPY of the good, COPY of
//! the rejects, commit.

mod aside;
mod batch;
mod chunk;
mod counted;
mod evict;
mod faults;
mod fence;
mod gate;
mod loader;
mod piece;
mod slow;
mod sql;
mod target;
mod transaction;
mod watch;

pub use aside::set_aside;
pub use batch::{JudgedBatch, StreamPlace};
pub use chunk::JudgedChunk;
pub use evict::{Evicted, LOADER_NAME, evict_blockers};
pub use faults::{FaultClass, Site, classify};
pub use gate::{Aside, Entry, Gates, Pass, Standing};
pub use loader::{LoadError, Loader};
pub use piece::{Found, Piece, RejectTable};
pub use target::{TargetChange, TargetError, check_target, ensure_target, prepare_target, probe_target};

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
    /// The job has completed: its publisher closed it with fewer chunks. The message belongs in the dead letters.
    Late,
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
