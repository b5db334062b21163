//! What a publisher tells of its job.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;

use crate::chunk::{CutTotals, JobId};
use crate::ledger::JobState;

/// What the publisher knows once the file has been read and every chunk acknowledged.
#[derive(Debug, Clone)]
pub struct CloseFigures {
    pub totals: CutTotals,
    /// Of the file as stored.
    pub source_bytes: u64,
    pub content: [u8; 32],
    pub topic: String,
    /// Last acknowledged offset by partition.
    pub last_offsets: BTreeMap<i32, i64>,
}

/// What closing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    Loading,
    /// The content turned out to be that of another job; this one has ended as `duplicate`.
    Duplicate {
        of: JobId,
    },
    /// It was ended meanwhile (cancelled, stopped by a threshold).
    Ended(JobState),
}

/// Renews the lease and moves a registered or stalled job to `publishing`. Answers the job's state: a publisher
/// ends when it is one that takes no more chunks.
pub async fn renew_lease(pool: &PgPool, job: JobId, publisher: &str, lease: Duration) -> Result<JobState, sqlx::Error> {
    let _ = (pool, job, publisher, lease);
    todo!()
}

pub async fn close(pool: &PgPool, job: JobId, figures: &CloseFigures) -> Result<Closed, sqlx::Error> {
    let _ = (pool, job, figures);
    todo!()
}

/// Decompressed bytes of the job that are in the ledger.
pub async fn loaded_bytes(pool: &PgPool, job: JobId) -> Result<u64, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}

/// Seqs of the job that are in the ledger, ascending: a resume need not publish them again.
pub async fn loaded_seqs(pool: &PgPool, job: JobId) -> Result<Vec<u32>, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}
