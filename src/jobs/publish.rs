//! What a publisher tells of its job.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection, PgPool};

use super::moves::{Reason, lock_row, log_move, make_move};
use crate::chunk::{CutTotals, JobId};
use crate::faults;
use crate::ledger::{JobState, Move};

/// What the publisher knows once the file has been read and every chunk acknowledged.
#[derive(Debug, Clone)]
pub struct CloseFigures {
    pub chunks: u32,
    pub records: u64,
    /// `None`: a publisher of its own does not say.
    pub file: Option<FileFigures>,
    /// SHA-256 of the file as stored.
    pub content: [u8; 32],
    pub topic: String,
    /// By partition, the last acknowledged offset, or one that is behind it.
    pub last_offsets: BTreeMap<i32, i64>,
}

/// What reading the file gave beside records.
#[derive(Debug, Clone, Copy)]
pub struct FileFigures {
    /// As stored.
    pub stored_bytes: u64,
    /// Decompressed.
    pub bytes: u64,
    pub headers: u64,
    pub blanks: u64,
}

impl FileFigures {
    pub fn new(stored_bytes: u64, totals: &CutTotals) -> Self {
        Self { stored_bytes, bytes: totals.bytes, headers: totals.headers, blanks: totals.blanks }
    }
}

/// What closing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    Loading,
    /// The content turned out to be that of another job; this one has ended as `duplicate`.
    Duplicate {
        of: JobId,
    },
    /// It was closed before with other figures, which stand.
    Otherwise {
        chunks: u32,
        records: u64,
        content: [u8; 32],
    },
    /// It was ended meanwhile (cancelled, stopped by a threshold).
    Ended(JobState),
}

/// Stores what the publisher counted, and moves the job to `loading`. Whether the feed minds an empty file is for the
/// steward to judge. Closing again after a lost answer is safe.
pub async fn close(pool: &PgPool, job: JobId, figures: &CloseFigures) -> Result<Closed, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(sqlx::Error::RowNotFound)?;
    let (feed, content, chunks, records): (String, Option<Vec<u8>>, Option<i32>, Option<i64>) =
        sqlx::query_as("select feed, content_sha256, chunks, records from fabric.jobs where job_id = $1")
            .bind(job.0)
            .fetch_one(&mut *transaction)
            .await?;
    let content: Option<[u8; 32]> = content.and_then(|content| content.try_into().ok());
    let same = content.is_none_or(|content| content == figures.content);
    let earlier = chunks.zip(records).map(|(chunks, records)| (chunks.cast_unsigned(), records.cast_unsigned()));
    let closed = match (state, earlier, content) {
        (
            JobState::Loading | JobState::Reconciling | JobState::Completed | JobState::Parked,
            Some((chunks, records)),
            Some(content),
        ) => {
            let again = same && (chunks, records) == (figures.chunks, figures.records);
            return Ok(if again { Closed::Loading } else { Closed::Otherwise { chunks, records, content } });
        }
        (state, ..) if state.after(Move::Close).is_err() => return Ok(Closed::Ended(state)),
        _ if !same => {
            let reason = Reason::Because("the file changed between registering and the end of reading");
            Closed::Ended(make_move(&mut transaction, job, Move::Fail, reason).await?.unwrap_or(state))
        }
        _ => close_open(&mut transaction, job, figures).await?,
    };
    faults::statement("close.commit.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("close.commit.acked").await?;
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
    let file = figures.file;
    sqlx::query(
        "update fabric.jobs
            set source_bytes = coalesce($2, source_bytes), content_sha256 = $3, chunks = $4, records = $5, bytes = $6, headers = $7,
                blanks = $8, topic = $9, last_offsets = $10, closed_at = clock_timestamp(), lease_until = null
          where job_id = $1",
    )
    .bind(job.0)
    .bind(file.map(|file| file.stored_bytes.cast_signed()))
    .bind(&figures.content[..])
    .bind(figures.chunks.cast_signed())
    .bind(figures.records.cast_signed())
    .bind(file.map(|file| file.bytes.cast_signed()))
    .bind(file.map(|file| file.headers.cast_signed()))
    .bind(file.map(|file| file.blanks.cast_signed()))
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
            Self::Loading | Self::Otherwise { .. } => JobState::Loading,
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
