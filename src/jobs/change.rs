//! What else happens to a job: it fails, something is noted against it.

use sqlx::{PgConnection, PgPool};

use super::moves::{Reason, lock_row, log_move, make_move};
use crate::chunk::{JobId, Lane};
use crate::ledger::{JobState, Move};

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no job {0}; `fabric jobs list` shows those that there are")]
    NoJob(JobId),
    #[error("job {job} is {state}: it cannot be {verb}")]
    NotAllowed { job: JobId, state: JobState, verb: &'static str },
    #[error(
        "job {job} is stopping, but its lock is still held by {holders}. The steward goes on trying; cancel it again to wait for it"
    )]
    Held { job: JobId, holders: String },
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Ends a job as `failed`, with the reason. A job that has failed already keeps its first reason.
pub async fn fail(pool: &PgPool, job: JobId, reason: &str) -> Result<(), ChangeError> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    if state == JobState::Failed {
        return Ok(());
    }
    let moved = make_move(&mut transaction, job, Move::Fail, Reason::Because(reason)).await?;
    moved.map_err(|refused| ChangeError::NotAllowed { job, state: refused.from, verb: "failed" })?;
    let feed = feed_of(&mut transaction, job).await?;
    transaction.commit().await?;
    log_move(job, &feed, JobState::Failed, Some(reason));
    Ok(())
}

/// Notes something against a job: a message of its that went to the dead letters. Where there is no such job there
/// is nothing to note it against.
pub async fn note(pool: &PgPool, job: JobId, note: &str) -> Result<(), sqlx::Error> {
    sqlx::query("insert into fabric.job_notes (job_id, note) select job_id, $2 from fabric.jobs where job_id = $1")
        .bind(job.0)
        .bind(note)
        .execute(pool)
        .await?;
    Ok(())
}

/// Notes, against each job that may have lost chunks by it, that a lane's log skips from `from` on: jobs that take chunks
/// and may have published any on that partition at `from` or after it. Repeated, it says nothing twice.
pub async fn note_gap(
    pool: &PgPool,
    lane: Lane,
    partition: i32,
    from: i64,
    note: &str,
) -> Result<Vec<JobId>, sqlx::Error> {
    let noted: Vec<i64> = sqlx::query_scalar(
        "insert into fabric.job_notes (job_id, note)
         select j.job_id, $4 from fabric.jobs j
          where j.lane = $1
            and j.state in ('registered', 'publishing', 'loading', 'stalled', 'incomplete', 'parked')
            and (j.last_offsets is null or (j.last_offsets ->> $2)::bigint >= $3)
            and not exists (select from fabric.job_notes n where n.job_id = j.job_id and n.note = $4)
         returning job_id",
    )
    .bind(lane.as_str())
    .bind(partition.to_string())
    .bind(from)
    .bind(note)
    .fetch_all(pool)
    .await?;
    Ok(noted.into_iter().map(JobId).collect())
}

pub(super) async fn feed_of(connection: &mut PgConnection, job: JobId) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("select feed from fabric.jobs where job_id = $1").bind(job.0).fetch_one(connection).await
}
