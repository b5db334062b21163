//! Registers a job, or finds the one to go on with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::chunk::{JobId, Lane, Limits, Token};
use crate::config::FeedVersion;
use crate::ledger::JobState;
use crate::settings::LoadSettings;

/// What is known of a file before it is read. All figures are of the bytes as stored (before decompression).
#[derive(Debug, Clone, Default)]
pub struct SourceIdentity {
    /// For people: the file's name, `-` for a pipe.
    pub file: String,
    /// Absolute; `None` for a pipe.
    pub path: Option<PathBuf>,
    pub bytes: Option<u64>,
    /// SHA-256 of the first MiB.
    pub head: Option<[u8; 32]>,
    /// SHA-256 of the last MiB.
    pub tail: Option<[u8; 32]>,
    /// SHA-256 of the whole, where it has been read for this.
    pub content: Option<[u8; 32]>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub feed: String,
    pub lane: Lane,
    pub source: SourceIdentity,
    pub limits: Limits,
    /// Load it though it was loaded before.
    pub again: bool,
    /// `host/pid/start`, as [`crate::ingest`] names itself.
    pub publisher: String,
    pub lease: Duration,
}

/// A job that this process may publish: pinned, leased to it, with a token of its own.
pub struct OpenJob {
    pub job: JobId,
    pub token: Token,
    pub feed: Arc<FeedVersion>,
    pub limits: Limits,
    pub lane: Lane,
    pub cutter_version: i32,
}

/// What registering came to.
pub enum Registration {
    New(OpenJob),
    /// An earlier run of the same file was cut short; this goes on with its job.
    Continue(OpenJob),
    /// An earlier job has the same size, head and tail: call again with `content` set.
    HashNeeded {
        like: JobId,
    },
    /// The same content was loaded, or is loading.
    Duplicate {
        of: JobId,
        state: JobState,
    },
    /// Another process holds the lease of this file's job for that much longer.
    Leased {
        job: JobId,
        publisher: String,
        remaining: Duration,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(
        "job {job} was cut by cutter version {pinned}; this fabric has version {ours}. Resume it with the release that began it, or cancel it and load the file again"
    )]
    OtherCutter { job: JobId, pinned: i32, ours: i32 },
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("job {job} is {state:?}: it cannot be resumed")]
    NotResumable { job: JobId, state: JobState },
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Pins everything in one transaction.
pub async fn register(pool: &PgPool, new: &NewJob, load: &LoadSettings) -> Result<Registration, RegisterError> {
    let _ = (pool, new, load);
    todo!()
}

/// `--resume JOB`: takes the lease of a job that is registered, publishing (lease run out), stalled or incomplete.
pub async fn reopen(
    pool: &PgPool,
    job: JobId,
    publisher: &str,
    lease: Duration,
) -> Result<Registration, RegisterError> {
    let _ = (pool, job, publisher, lease);
    todo!()
}
