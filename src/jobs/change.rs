//! Moves jobs between states on people's and loaders' behalf.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::moves::{Reason, lock_row, log_move, make_move};
use crate::chunk::{ChunkId, JobId, Lane, Seq};
use crate::ledger::{JobState, Move, Published};
use crate::load::Delivery;

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

/// Records a chunk as owed and parks its job, in one transaction.
pub async fn park(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), ChangeError> {
    let job = chunk.job;
    let mut transaction = connection.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    let moved = make_move(&mut transaction, job, Move::Park, Reason::Because(reason)).await?;
    moved.map_err(|refused| ChangeError::NotAllowed { job, state: refused.from, verb: "parked" })?;
    owe(&mut transaction, chunk, delivery, reason).await?;
    let feed = feed_of(&mut transaction, job).await?;
    transaction.commit().await?;
    if state != JobState::Parked {
        log_move(job, &feed, JobState::Parked, Some(reason));
    }
    Ok(())
}

/// A chunk that another loader has brought in meanwhile is not owed.
async fn owe(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        r#"insert into fabric.owed_chunks as o (job_id, seq, topic, partition, "offset", reason)
           select $1, $2, $3, $4, $5, $6
            where not exists (select from fabric.chunk_ledger l where l.job_id = $1 and l.seq = $2)
           on conflict (job_id, seq) do update
              set topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset",
                  reason = excluded.reason, owed_since = clock_timestamp()"#,
    )
    .bind(chunk.job.0)
    .bind(chunk.seq.0.cast_signed())
    .bind(&*delivery.topic)
    .bind(delivery.partition)
    .bind(delivery.offset)
    .bind(reason)
    .execute(connection)
    .await?;
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

/// A job that takes chunks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// What it owes, in order, and where each chunk stands.
    pub owed: Vec<(ChunkId, Delivery)>,
    pub publishing: Publishing,
}

/// How a resumed job stands with its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// The whole file is on the lane.
    Done,
    /// Its publisher renews its lease, and goes on.
    AtWork,
    /// Its publisher is gone: the file was not read to its end.
    CutShort,
}

/// Brings back a parked job: its state becomes what it was, and its owed chunks are returned, to be copied from their
/// lane to its end again by [`crate::ingest`]. They stay owed until they are loaded, so a resume that is cut short can
/// be repeated.
pub async fn resume(pool: &PgPool, job: JobId) -> Result<Resumed, ChangeError> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    let not_allowed = ChangeError::NotAllowed { job, state, verb: "resumed" };
    let (feed, whole, leased): (String, bool, bool) = sqlx::query_as(
        "select feed, chunks is not null, coalesce(lease_until > clock_timestamp(), false)
           from fabric.jobs where job_id = $1",
    )
    .bind(job.0)
    .fetch_one(&mut *transaction)
    .await?;
    let owed = owed_again(&mut transaction, job).await?;
    if owed.is_empty() && state != JobState::Parked {
        return Err(not_allowed);
    }
    let (published, publishing) = match (whole, leased) {
        (true, _) => (Published::Whole, Publishing::Done),
        (false, true) => (Published::Partly, Publishing::AtWork),
        (false, false) => (Published::Partly, Publishing::CutShort),
    };
    let moved = make_move(&mut transaction, job, Move::Resume(published), Reason::Clear).await?;
    let to = moved.map_err(|_| not_allowed)?;
    transaction.commit().await?;
    log_move(job, &feed, to, None);
    Ok(Resumed { owed, publishing })
}

/// Says of a job that chunks which it owes are in no lane any more. One that was published whole is incomplete then,
/// and can be published again; any other is not whole anyway.
pub async fn lose(pool: &PgPool, job: JobId, gone: usize) -> Result<(), ChangeError> {
    let mut transaction = pool.begin().await?;
    let reason = format!(
        "{gone} chunks that it owes are in no lane any more; `fabric ingest --resume {job}` cuts them from the file again"
    );
    if make_move(&mut transaction, job, Move::ChunksLost, Reason::Because(&reason)).await?.is_ok() {
        let feed = feed_of(&mut transaction, job).await?;
        transaction.commit().await?;
        log_move(job, &feed, JobState::Incomplete, Some(&reason));
    }
    Ok(())
}

/// The chunks that the job owes, in their order; the time from which the steward waits for them starts anew.
async fn owed_again(connection: &mut PgConnection, job: JobId) -> Result<Vec<(ChunkId, Delivery)>, sqlx::Error> {
    let rows: Vec<(i32, String, i32, i64)> = sqlx::query_as(
        r#"with again as (update fabric.owed_chunks set owed_since = clock_timestamp() where job_id = $1
                          returning seq, topic, partition, "offset")
           select * from again order by seq"#,
    )
    .bind(job.0)
    .fetch_all(connection)
    .await?;
    let chunk = |(seq, topic, partition, offset): (i32, String, i32, i64)| {
        (ChunkId { job, seq: Seq(seq.cast_unsigned()) }, Delivery { topic: topic.into(), partition, offset })
    };
    Ok(rows.into_iter().map(chunk).collect())
}

async fn feed_of(connection: &mut PgConnection, job: JobId) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("select feed from fabric.jobs where job_id = $1").bind(job.0).fetch_one(connection).await
}
