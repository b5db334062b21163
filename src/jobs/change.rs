//! Moves jobs between states on people's behalf.

use sqlx::{PgConnection, PgPool};

use crate::chunk::{ChunkId, JobId};
use crate::ledger::JobState;
use crate::load::Delivery;

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("job {job} is {state:?}: it cannot be {verb}")]
    NotAllowed { job: JobId, state: JobState, verb: &'static str },
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Stops a job: once this has answered, nothing of it commits. Evicts a loader that holds the job's lock too long.
pub async fn cancel(pool: &PgPool, job: JobId, reason: &str) -> Result<JobState, ChangeError> {
    let _ = (pool, job, reason);
    todo!()
}

/// Ends a job as `failed`, with the reason.
pub async fn fail(pool: &PgPool, job: JobId, reason: &str) -> Result<(), ChangeError> {
    let _ = (pool, job, reason);
    todo!()
}

/// Records a chunk as owed and parks its job, in one transaction.
pub async fn park(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), ChangeError> {
    let _ = (connection, chunk, delivery, reason);
    todo!()
}

/// Notes something against a job: a message of its that went to the dead letters.
pub async fn note(pool: &PgPool, job: JobId, note: &str) -> Result<(), sqlx::Error> {
    let _ = (pool, job, note);
    todo!()
}

/// Brings back a parked job: its state becomes what it was, and its owed chunks are returned, to be copied from their
/// lane to its end again by [`crate::ingest`].
pub async fn resume(pool: &PgPool, job: JobId) -> Result<Vec<(ChunkId, Delivery)>, ChangeError> {
    let _ = (pool, job);
    todo!()
}
