//! Stops a job so that nothing of it commits afterwards.
//!
//! First the state becomes `stopping`, so that the fence lets no new chunk in. Then the job's lock is taken alone,
//! which waits for the chunks in flight; with it the job becomes `stopped`. Whoever dies between the two leaves a job
//! that the steward, or another cancel, takes the rest of the way.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};

use super::change::ChangeError;
use super::moves::{Reason, lock_row, make_move};
use crate::chunk::JobId;
use crate::config::audit;
use crate::faults::{self, Defect};
use crate::ledger::{JobState, Move};
use crate::postgres::{EVICT_AFTER, SharedLock};

/// After this many tries of 2 s a cancel gives up waiting and says who holds the job.
const TRIES: usize = 10;

/// Stops a job: once this has answered, nothing of it commits. Evicts a loader that holds the job's lock too long.
/// Repeating it is safe: it goes on where an earlier cancel was cut short.
///
/// The reason on record is `cancelled by USER`, and `reason` where it is not empty.
pub async fn cancel(pool: &PgPool, job: JobId, reason: &str) -> Result<JobState, ChangeError> {
    let mut connection = pool.acquire().await?;
    if begin_stopping(&mut connection, job, reason).await? == JobState::Stopped {
        return Ok(JobState::Stopped);
    }
    faults::step("cancel.stopping").await;
    for _ in 0..TRIES {
        let mut transaction = connection.begin().await?;
        if faults::has(Defect::CancelUnlocked) || lock_alone(&mut transaction, job).await? {
            finish_stopping(&mut transaction, job, Reason::Keep).await?;
            faults::statement("cancel.commit.sent", &mut transaction).await?;
            transaction.commit().await?;
            return Ok(JobState::Stopped);
        }
        transaction.rollback().await?;
        evict(&mut connection, job, EVICT_AFTER).await?;
    }
    let holders = lock_of(&mut connection, job).await?.holders(&mut connection).await?;
    Err(ChangeError::Held { job, holders })
}

async fn begin_stopping(connection: &mut PgConnection, job: JobId, reason: &str) -> Result<JobState, ChangeError> {
    let mut transaction = connection.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    if state == JobState::Stopped {
        return Ok(state);
    }
    let user: String = sqlx::query_scalar("select session_user::text").fetch_one(&mut *transaction).await?;
    let text = match reason {
        "" => format!("cancelled by {user}"),
        reason => format!("cancelled by {user}: {reason}"),
    };
    let moved = make_move(&mut transaction, job, Move::Cancel, Reason::Because(&text)).await?;
    let moved = moved.map_err(|refused| ChangeError::NotAllowed { job, state: refused.from, verb: "cancelled" })?;
    if moved != state {
        let message = (!reason.is_empty()).then_some(reason);
        audit(&mut transaction, "cancel", "job", &job.to_string(), None, None, message).await?;
    }
    let state = moved;
    transaction.commit().await?;
    Ok(state)
}

/// Under the lock: `stopping` becomes `stopped`. Another may have done it just before.
async fn finish_stopping(connection: &mut PgConnection, job: JobId, reason: Reason<'_>) -> Result<(), ChangeError> {
    match make_move(connection, job, Move::LockTaken, reason).await? {
        Ok(_) => Ok(()),
        Err(refused) if refused.from == JobState::Stopped => Ok(()),
        Err(refused) => Err(ChangeError::NotAllowed { job, state: refused.from, verb: "stopped" }),
    }
}

async fn lock_of(connection: &mut PgConnection, job: JobId) -> Result<SharedLock, sqlx::Error> {
    let key = sqlx::query_scalar("select fabric.job_lock_key($1)").bind(job.0).fetch_one(connection).await?;
    Ok(SharedLock(key))
}

/// Takes the job's lock alone until the transaction ends, as [`SharedLock::alone`] does.
pub(crate) async fn lock_alone(transaction: &mut PgConnection, job: JobId) -> Result<bool, sqlx::Error> {
    lock_of(transaction, job).await?.alone(transaction).await
}

/// Ends the sessions of our loaders that hold the job's lock in a transaction older than `older_than`.
pub(crate) async fn evict(connection: &mut PgConnection, job: JobId, older_than: Duration) -> Result<(), sqlx::Error> {
    for loader in lock_of(connection, job).await?.evict(connection, older_than).await? {
        tracing::warn!(%job, loader, "evicted a loader that held the job's lock too long");
    }
    Ok(())
}
