//! Moves a job by the table of moves, inside the caller's transaction, and tells of it in the outbox.

use sqlx::PgConnection;

use super::event::emit;
use crate::chunk::JobId;
use crate::faults::{self, Defect};
use crate::ledger::{JobState, Move, Refused};

/// What becomes of the reason that stands in a job's row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason<'r> {
    Clear,
    Keep,
    Because(&'r str),
}

/// The job's state; its row stays locked until the transaction ends, so no other move comes between.
///
/// The lock is `no key update`: loaders, whose ledger rows refer to the job, are not held up by it.
pub(crate) async fn lock_row(connection: &mut PgConnection, job: JobId) -> Result<Option<JobState>, sqlx::Error> {
    let state: Option<String> = sqlx::query_scalar("select state from fabric.jobs where job_id = $1 for no key update")
        .bind(job.0)
        .fetch_optional(connection)
        .await?;
    state.map(read_state).transpose()
}

pub(crate) fn read_state(text: String) -> Result<JobState, sqlx::Error> {
    JobState::try_from(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Makes one move; the caller commits. A move that leads where the job is already changes nothing and tells nothing.
///
/// Errors: [`sqlx::Error::RowNotFound`] where there is no such job.
pub(crate) async fn make_move(
    connection: &mut PgConnection,
    job: JobId,
    by: Move,
    reason: Reason<'_>,
) -> Result<Result<JobState, Refused>, sqlx::Error> {
    let from = lock_row(connection, job).await?.ok_or(sqlx::Error::RowNotFound)?;
    let to = match from.after(by) {
        Ok(to) => to,
        Err(refused) => return Ok(Err(refused)),
    };
    if to != from {
        store(connection, job, to, reason).await?;
        emit(connection, job, None).await?;
    }
    Ok(Ok(to))
}

/// Stores the state, with the sums of the ledger as they are now: a job that has ended shows exact ones.
async fn store(
    connection: &mut PgConnection,
    job: JobId,
    state: JobState,
    reason: Reason<'_>,
) -> Result<(), sqlx::Error> {
    let (keep, because) = match reason {
        Reason::Keep => (true, None),
        Reason::Clear => (false, None),
        Reason::Because(text) => (false, Some(text)),
    };
    sqlx::query(
        "update fabric.jobs j
            set state = $2, reason = case when $3 then reason else $4 end,
                ended_at = case when $5 then clock_timestamp() end,
                chunks_loaded = l.chunks, records_loaded = l.loaded, records_rejected = l.rejected,
                bytes_loaded = l.bytes
           from (select count(*)::integer as chunks, coalesce(sum(loaded), 0)::bigint as loaded,
                        coalesce(sum(rejected), 0)::bigint as rejected, coalesce(sum(span), 0)::bigint as bytes
                   from fabric.chunk_ledger where job_id = $1) l
          where j.job_id = $1",
    )
    .bind(job.0)
    .bind(state.as_str())
    .bind(keep)
    .bind(because)
    .bind(state.has_ended())
    .execute(&mut *connection)
    .await?;
    if faults::has(Defect::SumsTwice) {
        let twice = "update fabric.jobs set records_loaded = 2 * records_loaded where job_id = $1";
        sqlx::query(twice).bind(job.0).execute(connection).await?;
    }
    Ok(())
}

/// Says the move in the log, once it is committed; the line that everyone reads is the event's, when it is published.
/// Never a field's value: reasons hold counts and names alone.
pub(crate) fn log_move(job: JobId, feed: &str, state: JobState, reason: Option<&str>) {
    tracing::debug!(%job, feed, %state, reason, "job moved");
}
