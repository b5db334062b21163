//! The states of a job, and who may move it from which to which.

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
    /// Its own target is at fault; what it owes is recorded.
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

/// What moves a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {}
