//! What a publisher tells of its job.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection, PgPool};

use super::moves::{Reason, lock_row, log_move, make_move};
use crate::chunk::{CutTotals, JobId};
use crate::ledger::{JobState, Move};

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
///
/// A publisher whose lease another has taken renews nothing: what both publish is the same, and loaded once.
pub async fn renew_lease(pool: &PgPool, job: JobId, publisher: &str, lease: Duration) -> Result<JobState, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(sqlx::Error::RowNotFound)?;
    let ours = sqlx::query(
        "update fabric.jobs set lease_until = clock_timestamp() + $3 * interval '1 second'
          where job_id = $1 and publisher = $2 and chunks is null",
    )
    .bind(job.0)
    .bind(publisher)
    .bind(lease.as_secs_f64())
    .execute(&mut *transaction)
    .await?
    .rows_affected()
        == 1;
    let moved = match ours {
        true => make_move(&mut transaction, job, Move::Publish, Reason::Keep).await?.unwrap_or(state),
        false => state,
    };
    transaction.commit().await?;
    Ok(moved)
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

/// Stores what the publisher counted, and moves the job to `loading`. Whether the feed minds an empty file is for the
/// steward to judge. Closing again after a lost answer is safe.
pub async fn close(pool: &PgPool, job: JobId, figures: &CloseFigures) -> Result<Closed, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(sqlx::Error::RowNotFound)?;
    let (feed, content, whole): (String, Option<Vec<u8>>, bool) =
        sqlx::query_as("select feed, content_sha256, chunks is not null from fabric.jobs where job_id = $1")
            .bind(job.0)
            .fetch_one(&mut *transaction)
            .await?;
    let same = content.as_ref().is_none_or(|content| content[..] == figures.content);
    let closed = match state {
        JobState::Loading | JobState::Reconciling | JobState::Completed | JobState::Parked if whole && same => {
            return Ok(Closed::Loading);
        }
        state if state.after(Move::Close).is_err() => return Ok(Closed::Ended(state)),
        _ if !same => {
            let reason = Reason::Because("the file changed between registering and the end of reading");
            Closed::Ended(make_move(&mut transaction, job, Move::Fail, reason).await?.unwrap_or(state))
        }
        _ => close_open(&mut transaction, job, figures).await?,
    };
    transaction.commit().await?;
    log_move(job, &feed, closed.state(), None);
    Ok(closed)
}

async fn close_open(transaction: &mut PgConnection, job: JobId, figures: &CloseFigures) -> Result<Closed, sqlx::Error> {
    let mut attempt = transaction.begin().await?;
    match store_figures(&mut attempt, job, figures).await {
        Ok(()) => attempt.commit().await?,
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_one_live_per_content") => {
            attempt.rollback().await?;
            return close_duplicate(transaction, job, figures).await;
        }
        Err(error) => return Err(error),
    }
    make_move(transaction, job, Move::Close, Reason::Keep).await?.ok();
    Ok(Closed::Loading)
}

async fn store_figures(connection: &mut PgConnection, job: JobId, figures: &CloseFigures) -> Result<(), sqlx::Error> {
    let totals = &figures.totals;
    sqlx::query(
        "update fabric.jobs
            set source_bytes = $2, content_sha256 = $3, chunks = $4, records = $5, bytes = $6, headers = $7,
                blanks = $8, topic = $9, last_offsets = $10, closed_at = clock_timestamp(), lease_until = null
          where job_id = $1",
    )
    .bind(job.0)
    .bind(figures.source_bytes.cast_signed())
    .bind(&figures.content[..])
    .bind(totals.chunks.cast_signed())
    .bind(totals.records.cast_signed())
    .bind(totals.bytes.cast_signed())
    .bind(totals.headers.cast_signed())
    .bind(totals.blanks.cast_signed())
    .bind(&figures.topic)
    .bind(Json(&figures.last_offsets))
    .execute(connection)
    .await?;
    Ok(())
}

/// The content is another job's. What is loaded already stays, apart by its `_job_id`, until undo exists.
async fn close_duplicate(
    connection: &mut PgConnection,
    job: JobId,
    figures: &CloseFigures,
) -> Result<Closed, sqlx::Error> {
    let of: i64 = sqlx::query_scalar(
        "select o.job_id from fabric.jobs o join fabric.jobs j on j.job_id = $1 and o.feed = j.feed
          where o.job_id <> $1 and o.content_sha256 = $2 and not o.again
            and o.state in ('registered', 'publishing', 'loading', 'reconciling', 'completed', 'parked', 'stalled',
                            'incomplete')
          order by o.job_id limit 1",
    )
    .bind(job.0)
    .bind(&figures.content[..])
    .fetch_one(&mut *connection)
    .await?;
    let reason = format!("the same content as job {of}; rows that were loaded before this was seen have _job_id {job}");
    make_move(connection, job, Move::Duplicate, Reason::Because(&reason)).await?.ok();
    Ok(Closed::Duplicate { of: JobId(of) })
}

impl Closed {
    const fn state(&self) -> JobState {
        match self {
            Self::Loading => JobState::Loading,
            Self::Duplicate { .. } => JobState::Duplicate,
            Self::Ended(state) => *state,
        }
    }
}

/// How far what a publisher sent has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Decompressed bytes of the job that are in the ledger.
    #[sqlx(try_from = "i64")]
    pub loaded: u64,
    /// Chunks of it are set aside until their target takes records.
    pub waits_for_target: bool,
}

pub async fn backlog(pool: &PgPool, job: JobId) -> Result<Backlog, sqlx::Error> {
    sqlx::query_as(
        "select (select coalesce(sum(span), 0)::bigint from fabric.chunk_ledger where job_id = $1) as loaded,
                exists (select from fabric.owed_chunks where job_id = $1 and cause = 'target') as waits_for_target",
    )
    .bind(job.0)
    .fetch_one(pool)
    .await
}

/// Seqs of the job that are in the ledger, ascending, each with the CRC-32C of its chunk: a resume need not publish
/// them again, but must find the same bytes there.
pub async fn loaded_seqs(pool: &PgPool, job: JobId) -> Result<Vec<(u32, u32)>, sqlx::Error> {
    let rows: Vec<(i32, i64)> =
        sqlx::query_as("select seq, crc32c from fabric.chunk_ledger where job_id = $1 order by seq")
            .bind(job.0)
            .fetch_all(pool)
            .await?;
    // `crc32c` was widened from 32 bits, for Postgres knows no unsigned numbers.
    Ok(rows.into_iter().map(|(seq, crc)| (seq.cast_unsigned(), crc as u32)).collect())
}
