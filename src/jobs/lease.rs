//! The lease of a job: taken by a publishing run, with a token of its own; renewed by that token, given up, taken over.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgPool};

use super::moves::{Reason, lock_row, log_move, make_move};
use super::register::{OpenJob, RegisterError, Registration};
use crate::chunk::{CUTTER_VERSION, JobId, Lane, Limits, Token, TokenHash};
use crate::config::audit;
use crate::ledger::{JobState, Move};

/// Who cuts a job's file into chunks: whoever goes on with the job must cut it alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutBy {
    /// [`crate::chunk::Cutter`], where its version makes it.
    Fabric,
    /// A program that publishes chunks of its own. Its jobs have cutter version 0.
    Publisher,
}

impl CutBy {
    pub(super) const fn version(self) -> i32 {
        match self {
            Self::Fabric => CUTTER_VERSION,
            Self::Publisher => 0,
        }
    }

    pub(crate) const fn of_version(version: i32) -> Self {
        match version {
            0 => Self::Publisher,
            _ => Self::Fabric,
        }
    }

    fn check(self, job: JobId, pinned: i32) -> Result<(), RegisterError> {
        match (self, pinned) {
            _ if pinned == self.version() => Ok(()),
            (Self::Fabric, 0) => Err(RegisterError::CutByPublisher { job }),
            (Self::Fabric, pinned) => Err(RegisterError::OtherCutter { job, pinned, ours: CUTTER_VERSION }),
            (Self::Publisher, _) => Err(RegisterError::CutByFabric { job }),
        }
    }
}

/// A publishing run that wants a job's lease.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'c> {
    /// `host/pid/start`, as [`crate::ingest`] names itself, or another name that no other run has.
    pub publisher: &'c str,
    pub lease: Duration,
    pub cut_by: CutBy,
}

/// What a job's lease is to whoever shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// It is the lease's holder. One of a job that is closed, or takes no more chunks, holds it for nothing.
    Held { state: JobState, closed: bool, had_run_out: bool },
    /// A later run has taken the lease: what both publish is loaded once.
    Taken { state: JobState, publisher: String },
    /// The token is none of the job's.
    Stranger,
}

/// A job whose lease this process has just taken.
pub(super) struct Opened {
    job: JobId,
    token: Token,
    pinned: Pinned,
}

#[derive(FromRow)]
struct Pinned {
    feed: String,
    feed_version: i32,
    lane: String,
    cutter_version: i32,
    chunk_bytes: i32,
    record_bytes: i32,
}

/// Adds a token to a job: the newest is the lease's holder.
pub(super) async fn add_token(connection: &mut PgConnection, job: JobId) -> Result<Token, RegisterError> {
    let mut token = Token([0; 16]);
    getrandom::fill(&mut token.0).map_err(RegisterError::Random)?;
    sqlx::query("insert into fabric.job_tokens (job_id, token_hash) values ($1, $2)")
        .bind(job.0)
        .bind(&token.hash().0[..])
        .execute(connection)
        .await?;
    Ok(token)
}

/// Takes the lease of a job whose row may be published on, with a token of its own; who did is on record. What an earlier
/// close stated is void: the job will be closed again.
pub(super) async fn open(
    connection: &mut PgConnection,
    job: JobId,
    claim: &Claim<'_>,
) -> Result<Opened, RegisterError> {
    let moved = make_move(connection, job, Move::Publish, Reason::Keep).await?;
    let state = moved.map_err(|refused| RegisterError::NotResumable { job, state: refused.from })?;
    // A parked job keeps the reason for which it is; any other is at work again.
    let pinned: Pinned = sqlx::query_as(
        "update fabric.jobs
            set lease_until = clock_timestamp() + $2 * interval '1 second', publisher = $3,
                reason = case when $4 then reason end,
                chunks = null, records = null, bytes = null, headers = null, blanks = null, last_offsets = null,
                copied_offsets = null, closed_at = null
          where job_id = $1
         returning feed, feed_version, lane, cutter_version, chunk_bytes, record_bytes",
    )
    .bind(job.0)
    .bind(claim.lease.as_secs_f64())
    .bind(claim.publisher)
    .bind(state == JobState::Parked)
    .fetch_one(&mut *connection)
    .await?;
    claim.cut_by.check(job, pinned.cutter_version)?;
    let token = add_token(connection, job).await?;
    audit(connection, "resume", "job", &job.to_string(), None, None, None).await?;
    Ok(Opened { job, token, pinned })
}

impl Opened {
    pub(super) async fn into_job(self, pool: &PgPool) -> Result<OpenJob, RegisterError> {
        let pinned = self.pinned;
        let feed = crate::config::feed_version(pool, &pinned.feed, pinned.feed_version).await?;
        log_move(self.job, &pinned.feed, JobState::Publishing, Some("its lease was taken, to go on"));
        let lane = Lane::parse(&pinned.lane)
            .ok_or_else(|| sqlx::Error::Decode(format!("there is no lane {}", pinned.lane).into()))?;
        let bytes = |size: i32| usize::try_from(size).unwrap_or(0);
        Ok(OpenJob {
            job: self.job,
            token: self.token,
            feed: Arc::new(feed),
            limits: Limits { chunk_bytes: bytes(pinned.chunk_bytes), record_bytes: bytes(pinned.record_bytes) },
            lane,
        })
    }
}

/// `--resume JOB`: takes the lease of a job that is registered, publishing (lease run out), stalled or incomplete, or
/// parked before it was published whole. [`Registration::Continue`], or [`Registration::Leased`].
pub async fn reopen(pool: &PgPool, job: JobId, claim: &Claim<'_>) -> Result<Registration, RegisterError> {
    take(pool, job, None, claim).await
}

/// Takes the lease from a publisher that is known to be gone, though the lease has not run out: the caller has seen
/// that `from`, of the caller's own host, is no process any more. [`Registration::Leased`] where another has it by now.
pub async fn take_lease(
    pool: &PgPool,
    job: JobId,
    from: &str,
    claim: &Claim<'_>,
) -> Result<Registration, RegisterError> {
    take(pool, job, Some(from), claim).await
}

async fn take(pool: &PgPool, job: JobId, gone: Option<&str>, claim: &Claim<'_>) -> Result<Registration, RegisterError> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(RegisterError::NoJob(job))?;
    let (holder, whole, left): (String, bool, f64) = sqlx::query_as(
        "select coalesce(publisher, ''), chunks is not null,
                greatest(coalesce(extract(epoch from lease_until - clock_timestamp()), 0), 0)::float8
           from fabric.jobs where job_id = $1",
    )
    .bind(job.0)
    .fetch_one(&mut *transaction)
    .await?;
    if state.after(Move::Publish).is_err() || (whole && state != JobState::Incomplete) {
        return Err(RegisterError::NotResumable { job, state });
    }
    if left > 0.0 && holder != claim.publisher && gone != Some(holder.as_str()) {
        let remaining = Duration::from_secs_f64(left);
        return Ok(Registration::Leased { job, publisher: holder, remaining });
    }
    let opened = open(&mut transaction, job, claim).await?;
    transaction.commit().await?;
    Ok(Registration::Continue(opened.into_job(pool).await?))
}

/// Renews the lease that the token holds, and moves a registered or stalled job to `publishing`. A publisher ends when
/// its job takes no more chunks.
///
/// Errors: [`sqlx::Error::RowNotFound`] where there is no such job.
pub async fn renew_lease(pool: &PgPool, job: JobId, token: TokenHash, lease: Duration) -> Result<Renewed, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(sqlx::Error::RowNotFound)?;
    let (publisher, closed, had_run_out, known, taken): (String, bool, bool, bool, bool) = sqlx::query_as(
        "select coalesce(j.publisher, ''), j.chunks is not null,
                coalesce(j.lease_until < clock_timestamp(), false), t.job_id is not null,
                exists (select from fabric.job_tokens later
                         where later.job_id = j.job_id and later.created_at > t.created_at)
           from fabric.jobs j left join fabric.job_tokens t on t.job_id = j.job_id and t.token_hash = $2
          where j.job_id = $1",
    )
    .bind(job.0)
    .bind(&token.0[..])
    .fetch_one(&mut *transaction)
    .await?;
    if !known {
        return Ok(Renewed::Stranger);
    }
    if taken {
        return Ok(Renewed::Taken { state, publisher });
    }
    if closed {
        return Ok(Renewed::Held { state, closed, had_run_out });
    }
    sqlx::query("update fabric.jobs set lease_until = clock_timestamp() + $2 * interval '1 second' where job_id = $1")
        .bind(job.0)
        .bind(lease.as_secs_f64())
        .execute(&mut *transaction)
        .await?;
    let state = make_move(&mut transaction, job, Move::Publish, Reason::Keep).await?.unwrap_or(state);
    transaction.commit().await?;
    Ok(Renewed::Held { state, closed, had_run_out })
}

/// Gives the lease up before it runs out, so that the next run need not wait for it.
pub async fn release_lease(pool: &PgPool, job: JobId, publisher: &str) -> Result<(), sqlx::Error> {
    sqlx::query("update fabric.jobs set lease_until = clock_timestamp() where job_id = $1 and publisher = $2")
        .bind(job.0)
        .bind(publisher)
        .execute(pool)
        .await?;
    Ok(())
}
