//! Chunks that a job owes: set aside with the place where they stand, sent again, or given up as lost.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection, PgExecutor, PgPool};

use super::change::{ChangeError, feed_of};
use super::moves::{Reason, lock_row, log_move, make_move};
use crate::chunk::{ChunkId, Delivery, JobId, Seq};
use crate::config::audit;
use crate::faults::{self, Defect};
use crate::ledger::{JobState, Move, Published};

/// Why a chunk is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its target is at fault: the steward sends it again once that takes records.
    Target,
    /// It kept killing its worker: nothing brings it back but people.
    Worker,
}

/// Records a chunk as owed and parks its job, in one transaction.
///
/// Errors: [`ChangeError::NotAllowed`] where the job takes no chunks any more.
pub async fn park(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), ChangeError> {
    set_aside(connection, chunk, delivery, Cause::Target, reason, Some(Move::Park)).await?;
    Ok(())
}

/// Records a chunk as owed; its job goes on. The steward sends it again once its target takes records.
///
/// Errors: as [`park`].
pub async fn owe(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), ChangeError> {
    set_aside(connection, chunk, delivery, Cause::Target, reason, None).await?;
    Ok(())
}

/// Sets a chunk aside that kept killing its worker, and parks its job: the rest of it goes on loading. Answers the name
/// of its feed.
///
/// Errors: as [`park`].
pub async fn quarantine(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    reason: &str,
) -> Result<String, ChangeError> {
    set_aside(connection, chunk, delivery, Cause::Worker, reason, Some(Move::Park)).await
}

async fn set_aside(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    cause: Cause,
    reason: &str,
    moved_by: Option<Move>,
) -> Result<String, ChangeError> {
    let job = chunk.job;
    let mut transaction = connection.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    if !state.takes_chunks() {
        return Err(ChangeError::NotAllowed { job, state, verb: "parked" });
    }
    if let Some(by) = moved_by {
        let moved = make_move(&mut transaction, job, by, Reason::Because(reason)).await?;
        moved.map_err(|refused| ChangeError::NotAllowed { job, state: refused.from, verb: "parked" })?;
    }
    record(&mut transaction, chunk, delivery, cause, reason).await?;
    let feed = feed_of(&mut transaction, job).await?;
    faults::statement("owe.commit.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("owe.commit.acked").await?;
    if moved_by.is_some() && state != JobState::Parked {
        log_move(job, &feed, JobState::Parked, Some(reason));
    }
    Ok(feed)
}

/// A chunk that another loader has brought in meanwhile is not owed.
async fn record(
    connection: &mut PgConnection,
    chunk: ChunkId,
    delivery: &Delivery,
    cause: Cause,
    reason: &str,
) -> Result<(), sqlx::Error> {
    if faults::has(Defect::OwedUnrecorded) {
        return Ok(());
    }
    sqlx::query(
        r#"insert into fabric.owed_chunks as o (job_id, seq, topic, partition, "offset", reason, cause)
           select $1, $2, $3, $4, $5, $6, $7
            where not exists (select from fabric.chunk_ledger l where l.job_id = $1 and l.seq = $2)
           on conflict (job_id, seq) do update
              set topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset",
                  reason = excluded.reason, cause = excluded.cause, owed_since = clock_timestamp(), sent_at = null"#,
    )
    .bind(chunk.job.0)
    .bind(chunk.seq.0.cast_signed())
    .bind(&*delivery.topic)
    .bind(delivery.partition)
    .bind(delivery.offset)
    .bind(reason)
    .bind(match cause {
        Cause::Target => "target",
        Cause::Worker => "worker",
    })
    .execute(connection)
    .await?;
    Ok(())
}

/// A job that takes chunks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// What is to be sent again, in order, and where each chunk stands.
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

impl Publishing {
    const fn published(self) -> Published {
        match self {
            Self::Done => Published::Whole,
            Self::AtWork | Self::CutShort => Published::Partly,
        }
    }
}

/// Brings back a parked job at people's wish: its state becomes what it was, and all its owed chunks are returned, to be
/// copied from their lane to its end again by [`crate::ingest`]. They stay owed until they are loaded, so a resume that
/// is cut short can be repeated.
pub async fn resume(pool: &PgPool, job: JobId) -> Result<Resumed, ChangeError> {
    let mut transaction = pool.begin().await?;
    let state = lock_row(&mut transaction, job).await?.ok_or(ChangeError::NoJob(job))?;
    let not_allowed = ChangeError::NotAllowed { job, state, verb: "resumed" };
    let publishing = publishing(&mut transaction, job).await?;
    let owed = take(&mut transaction, job, Which::All).await?;
    if owed.is_empty() && state != JobState::Parked {
        return Err(not_allowed);
    }
    let moved = make_move(&mut transaction, job, Move::Resume(publishing.published()), Reason::Clear).await?;
    let to = moved.map_err(|_| not_allowed)?;
    audit(&mut transaction, "resume", "job", &job.to_string(), None, None, None).await?;
    let feed = feed_of(&mut transaction, job).await?;
    transaction.commit().await?;
    log_move(job, &feed, to, None);
    Ok(Resumed { owed, publishing })
}

/// As [`resume`], for the steward: the target takes records again. Chunks that killed their workers stay where they
/// are, and their job stays parked; a job that is not parked stays what it is. `None`: it takes no chunks any more.
pub async fn go_on(connection: &mut PgConnection, job: JobId) -> Result<Option<Resumed>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let Some(state) = lock_row(&mut transaction, job).await?.filter(|state| state.takes_chunks()) else {
        return Ok(None);
    };
    let publishing = publishing(&mut transaction, job).await?;
    let owed = take(&mut transaction, job, Which::OfTarget).await?;
    let quarantined: bool =
        sqlx::query_scalar("select exists (select from fabric.owed_chunks where job_id = $1 and cause = 'worker')")
            .bind(job.0)
            .fetch_one(&mut *transaction)
            .await?;
    let mut to = state;
    if state == JobState::Parked && !quarantined {
        let gone =
            format!("its publisher is gone: `fabric jobs resume {job}`, where its file lies, reads it to its end");
        let reason = if publishing == Publishing::CutShort { Reason::Because(&gone) } else { Reason::Clear };
        let moved = make_move(&mut transaction, job, Move::Resume(publishing.published()), reason).await?;
        to = moved.unwrap_or(state);
    }
    let feed = feed_of(&mut transaction, job).await?;
    transaction.commit().await?;
    if to != state {
        log_move(job, &feed, to, Some("its target takes records again"));
    }
    Ok(Some(Resumed { owed, publishing }))
}

async fn publishing(connection: &mut PgConnection, job: JobId) -> Result<Publishing, sqlx::Error> {
    let (whole, leased): (bool, bool) = sqlx::query_as(
        "select chunks is not null, coalesce(lease_until > clock_timestamp(), false)
           from fabric.jobs where job_id = $1",
    )
    .bind(job.0)
    .fetch_one(connection)
    .await?;
    Ok(match (whole, leased) {
        (true, _) => Publishing::Done,
        (false, true) => Publishing::AtWork,
        (false, false) => Publishing::CutShort,
    })
}

/// The first chunk of a parked job that its target is tried with, marked as sent; the job stays parked. `None`: nothing
/// is owed for its target.
pub async fn to_try(connection: &mut PgConnection, job: JobId) -> Result<Option<(ChunkId, Delivery)>, sqlx::Error> {
    Ok(take(connection, job, Which::FirstOfTarget).await?.pop())
}

/// Which of the chunks that a job owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that no copy of is on its way.
    OfTarget,
    FirstOfTarget,
}

/// Marks chunks as sent, and answers them in their order. It is done before they are sent: one that is refused again
/// meanwhile must not be taken for one on its way. Where sending fails, [`send_anew`] takes the mark back.
async fn take(
    connection: &mut PgConnection,
    job: JobId,
    which: Which,
) -> Result<Vec<(ChunkId, Delivery)>, sqlx::Error> {
    let rows: Vec<(i32, String, i32, i64)> = sqlx::query_as(
        r#"with taken as (
               select seq from fabric.owed_chunks
                where job_id = $1 and ($2 or (cause = 'target' and sent_at is null)) order by seq limit $3),
           again as (
               update fabric.owed_chunks o set sent_at = clock_timestamp(), owed_since = clock_timestamp(),
                      cause = 'target'
                 from taken where o.job_id = $1 and o.seq = taken.seq
               returning o.seq, o.topic, o.partition, o."offset")
           select * from again order by seq"#,
    )
    .bind(job.0)
    .bind(which == Which::All)
    .bind(if which == Which::FirstOfTarget { Some(1i64) } else { None })
    .fetch_all(connection)
    .await?;
    let chunk = |(seq, topic, partition, offset): (i32, String, i32, i64)| {
        (ChunkId { job, seq: Seq(seq.cast_unsigned()) }, Delivery { topic: topic.into(), partition, offset })
    };
    Ok(rows.into_iter().map(chunk).collect())
}

/// Copies that were on their way are not any more, or never were: they are to be sent anew.
pub async fn send_anew(executor: impl PgExecutor<'_>, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query("update fabric.owed_chunks set sent_at = null where job_id = $1 and sent_at is not null")
        .bind(job.0)
        .execute(executor)
        .await?;
    Ok(())
}

/// Copies of owed chunks are on the lane, the last ones at these offsets by partition.
pub async fn copied(
    executor: impl PgExecutor<'_>,
    job: JobId,
    last_offsets: &BTreeMap<i32, i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update fabric.jobs set copied_offsets = coalesce(copied_offsets, '{}') || $2 where job_id = $1")
        .bind(job.0)
        .bind(Json(last_offsets))
        .execute(executor)
        .await?;
    Ok(())
}

/// Says of a job that chunks which it owes are in no lane any more: they are owed no longer, but missing. One that was
/// published whole is incomplete then, and can be published again; any other is not whole anyway.
pub async fn lose(connection: &mut PgConnection, job: JobId, gone: &[ChunkId]) -> Result<(), ChangeError> {
    let mut transaction = connection.begin().await?;
    let seqs: Vec<i32> = gone.iter().map(|chunk| chunk.seq.0.cast_signed()).collect();
    let reason = format!(
        "chunks that it owed are in no lane any more ({}): {}; `fabric jobs resume {job}`, where its file lies, cuts them \
         from it again",
        seqs.len(),
        super::query::named(&ranges(gone)),
    );
    let lost = make_move(&mut transaction, job, Move::ChunksLost, Reason::Because(&reason)).await?.is_ok();
    sqlx::query("delete from fabric.owed_chunks where job_id = $1 and seq = any($2)")
        .bind(job.0)
        .bind(&seqs)
        .execute(&mut *transaction)
        .await?;
    let feed = feed_of(&mut transaction, job).await?;
    transaction.commit().await?;
    if lost {
        log_move(job, &feed, JobState::Incomplete, Some(&reason));
    }
    Ok(())
}

/// Seqs as ranges, inclusive.
fn ranges(chunks: &[ChunkId]) -> Vec<(u32, u32)> {
    let mut seqs: Vec<u32> = chunks.iter().map(|chunk| chunk.seq.0).collect();
    seqs.sort_unstable();
    seqs.chunk_by(|a, b| a + 1 == *b).map(|run| (run[0], run[run.len() - 1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seqs_are_named_as_ranges() {
        let chunks = [9, 4, 5, 0].map(|seq| ChunkId { job: JobId(1), seq: Seq(seq) });
        assert_eq!(ranges(&chunks), [(0, 0), (4, 5), (9, 9)]);
    }
}
