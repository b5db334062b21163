//! What people ask of jobs.

use sqlx::PgPool;

use crate::chunk::{JobId, TokenHash};
use crate::ledger::JobState;
use crate::report::Report;

/// What a validator needs to judge a job's chunks.
#[derive(Debug, Clone)]
pub struct Pins {
    pub feed: String,
    pub feed_version: i32,
    pub tokens: Vec<TokenHash>,
    pub state: JobState,
}

#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    pub job: i64,
    pub feed: String,
    pub feed_version: i32,
    pub file: String,
    pub state: JobState,
    pub reason: Option<String>,
    pub records: Option<u64>,
    pub loaded: u64,
    pub rejected: u64,
    pub registered_at: jiff::Timestamp,
    pub ended_at: Option<jiff::Timestamp>,
}

/// Everything that `jobs show` prints beside the report.
#[derive(Debug, Clone)]
pub struct JobDetail {
    pub report: Report,
    pub chunks: Option<u32>,
    pub chunks_loaded: u32,
    /// Missing seqs of an incomplete job, as ranges, inclusive.
    pub missing: Vec<(u32, u32)>,
    /// seq, reason
    pub owed: Vec<(u32, String)>,
    pub notes: Vec<(jiff::Timestamp, String)>,
    pub registered_at: jiff::Timestamp,
    pub closed_at: Option<jiff::Timestamp>,
    pub ended_at: Option<jiff::Timestamp>,
    pub lane: String,
    pub publisher: Option<String>,
    pub registered_by: String,
}

/// `None`: no such job.
pub async fn pins(pool: &PgPool, job: JobId) -> Result<Option<Pins>, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}

pub async fn state_of(pool: &PgPool, job: JobId) -> Result<Option<(JobState, Option<String>)>, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}

/// Newest first.
pub async fn list(pool: &PgPool, feed: Option<&str>, limit: u32) -> Result<Vec<JobSummary>, sqlx::Error> {
    let _ = (pool, feed, limit);
    todo!()
}

/// From the ledger, exact at any time. `None`: no such job.
pub async fn report(pool: &PgPool, job: JobId) -> Result<Option<Report>, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}

pub async fn show(pool: &PgPool, job: JobId) -> Result<Option<JobDetail>, sqlx::Error> {
    let _ = (pool, job);
    todo!()
}
