//! One round: read the live jobs and the windows of streams, judge each, move those that are to move.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use super::live::{LiveJob, read};
use super::lost::LostChunks;
use super::owed::OwedChunks;
use super::standing::Standing;
use super::summary::Summaries;
use super::{owed, partitions, windows};
use crate::chunk::JobId;
use crate::faults::{self, Defect};
use crate::feed::{Feed, Threshold, ThresholdAction};
use crate::jobs::{self, CutBy, Reason};
use crate::ledger::{JobState, Judgement, Move, Stated, Terms, Totals, crossings, judge};
use crate::postgres::EVICT_AFTER;
use crate::settings::{PostgresSettings, Settings};
use crate::telemetry::{Statement, timed};

/// Also between two sweeps of processes that are gone.
const PARTITIONS_EVERY: Duration = Duration::from_secs(60);
/// Rounds may follow on each other much faster while a job is about to end.
const WINDOWS_EVERY: Duration = Duration::from_millis(500);

/// How soon another round is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    /// No job is at work.
    Idle,
    Working,
    /// A job lacks only its last few chunks: somebody waits for its end.
    Ending,
}

/// A job that lacks no more chunks than this is about to end.
const LAST_CHUNKS: u64 = 32;

fn pace(job: &LiveJob) -> Pace {
    let missing = job.stated.map(|stated| stated.chunks.saturating_sub(job.totals.chunks));
    match job.state {
        JobState::Incomplete | JobState::Parked | JobState::Stalled => Pace::Idle,
        _ if missing.is_some_and(|missing| missing <= LAST_CHUNKS) && job.owed.chunks == 0 => Pace::Ending,
        _ => Pace::Working,
    }
}

/// What a leader remembers between rounds. Nothing that a successor could not find out again.
pub(super) struct Rounds {
    postgres: PostgresSettings,
    /// By name and version, which never change; `None` where this release cannot read the definition.
    feeds: HashMap<(String, i32), Option<Feed>>,
    lost: LostChunks,
    owed: OwedChunks,
    partitions_made: Option<Instant>,
    windows_read: Option<Instant>,
    standing: Arc<Standing>,
    summaries: Summaries,
}

impl Rounds {
    pub(super) fn new(settings: &Settings, standing: Arc<Standing>) -> Self {
        Self {
            postgres: settings.postgres.clone(),
            feeds: HashMap::new(),
            lost: LostChunks::new(&settings.kafka),
            owed: OwedChunks::new(settings),
            partitions_made: None,
            windows_read: None,
            standing,
            summaries: Summaries::default(),
        }
    }

    /// Answers how soon another round is due.
    pub(super) async fn work(&mut self, connection: &mut PgConnection) -> Result<Pace, sqlx::Error> {
        if self.partitions_made.is_none_or(|made| made.elapsed() > PARTITIONS_EVERY) {
            partitions::make(connection).await?;
            crate::processes::sweep(connection).await?;
            self.partitions_made = Some(Instant::now());
        }
        let live = timed(Statement::LiveJobs, read(connection, None)).await?;
        self.standing.saw(&live);
        let missing = self.lost.look(&live).await;
        for job in &live {
            if job.owed.chunks > 0 {
                owed::forget_loaded(connection, job.job).await?;
            }
            self.look_after(connection, job, missing.contains(&job.job)).await?;
        }
        if self.windows_read.is_none_or(|read| read.elapsed() > WINDOWS_EVERY) {
            self.windows_read = Some(Instant::now());
            self.look_after_windows(connection).await?;
        }
        self.owed.look(&live, &self.feeds).await;
        self.summaries.make(&self.postgres);
        Ok(live.iter().map(pace).max().unwrap_or(Pace::Idle))
    }

    async fn look_after_windows(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        for window in windows::read(connection, None).await? {
            if let Some(feed) = self.feed(connection, &window.feed, window.version).await? {
                windows::look_after(connection, &window, &feed).await?;
            }
        }
        Ok(())
    }

    async fn look_after(
        &mut self,
        connection: &mut PgConnection,
        job: &LiveJob,
        missing: bool,
    ) -> Result<(), sqlx::Error> {
        if job.stored_chunks != job.totals.chunks {
            store_sums(connection, job).await?;
        }
        let feed = self.feed(connection, &job.feed, job.feed_version).await?;
        if job.state == JobState::Stopping {
            // A job that is to stop does so though its feed cannot be read.
            return finish(connection, job, feed.as_ref().map_or(&[], |feed| &feed.thresholds)).await;
        }
        let Some(feed) = feed else { return Ok(()) };
        let terms = Terms { thresholds: &feed.thresholds, on_empty: feed.on_empty };
        alert(connection, job, terms).await?;
        let mut stated = job.stated;
        if faults::has(Defect::ChunksUncounted) {
            let Totals { chunks, records, .. } = job.totals;
            stated = stated.map(|_| Stated { chunks, records });
        }
        match judge(terms, stated, &job.totals) {
            Judgement::Stop { reason } => {
                if change(connection, job, &[(Move::ThresholdStop, Reason::Because(&reason))]).await? {
                    let stopping = LiveJob { reason: Some(reason), state: JobState::Stopping, ..job.clone() };
                    finish(connection, &stopping, terms.thresholds).await?;
                }
                Ok(())
            }
            Judgement::Complete { warning } => {
                if job.cut_by == CutBy::Publisher
                    && let Some(reason) = ill_fitting(connection, job.job).await?
                {
                    change(connection, job, &[(Move::Fail, Reason::Because(&reason))]).await?;
                    return Ok(());
                }
                let last = warning.as_deref().map_or(Reason::Clear, Reason::Because);
                let moves = [(Move::AllLoaded, Reason::Clear), (Move::Reconciled, last)];
                if change(connection, job, rest_of(job, &moves)).await? {
                    self.summaries.want(&feed.target);
                }
                Ok(())
            }
            Judgement::Fail { reason } => {
                change(connection, job, &[(Move::Fail, Reason::Because(&reason))]).await?;
                Ok(())
            }
            Judgement::Wait => wait(connection, job, missing).await,
        }
    }

    async fn feed(
        &mut self,
        connection: &mut PgConnection,
        name: &str,
        version: i32,
    ) -> Result<Option<Feed>, sqlx::Error> {
        let key = (name.to_owned(), version);
        if let Some(feed) = self.feeds.get(&key) {
            return Ok(feed.clone());
        }
        let document: String = sqlx::query_scalar(
            "select coalesce(resolved, document) from fabric.feed_versions where feed = $1 and version = $2",
        )
        .bind(name)
        .bind(version)
        .fetch_one(connection)
        .await?;
        let feed = crate::feed::parse(name, &document)
            .inspect_err(|faults| {
                tracing::error!(feed = name, version, %faults, "this release cannot read a feed that is in use");
            })
            .ok();
        Ok(self.feeds.entry(key).or_insert(feed).clone())
    }
}

/// A job that is reconciling already has made the first move.
fn rest_of<'m, 'r>(job: &LiveJob, moves: &'m [(Move, Reason<'r>)]) -> &'m [(Move, Reason<'r>)] {
    if job.state == JobState::Reconciling { &moves[1..] } else { moves }
}

/// Makes the moves in one transaction, or none: the job may have moved since it was read.
async fn change(
    connection: &mut PgConnection,
    job: &LiveJob,
    moves: &[(Move, Reason<'_>)],
) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let mut state = job.state;
    let mut why = None;
    for (by, reason) in moves {
        match jobs::make_move(&mut transaction, job.job, *by, *reason).await? {
            Ok(to) => state = to,
            Err(refused) => {
                tracing::debug!(job = %job.job, %refused, "left a job as it is");
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        if let Reason::Because(text) = reason {
            why = Some(*text);
        }
    }
    faults::statement("steward.move.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("steward.move.acked").await?;
    jobs::log_move(job.job, &job.feed, state, why);
    Ok(true)
}

/// For progress displays; moves store exact sums.
async fn store_sums(connection: &mut PgConnection, job: &LiveJob) -> Result<(), sqlx::Error> {
    faults::statement("steward.sums", connection).await?;
    sqlx::query(
        "update fabric.jobs
            set chunks_loaded = $2, records_loaded = $3, records_rejected = $4, bytes_loaded = $5
          where job_id = $1",
    )
    .bind(job.job.0)
    .bind(i32::try_from(job.totals.chunks).unwrap_or(i32::MAX))
    .bind(job.totals.loaded.cast_signed())
    .bind(job.totals.rejected.cast_signed())
    .bind(job.totals.bytes.cast_signed())
    .execute(connection)
    .await?;
    Ok(())
}

/// Tells of each `alert` threshold once.
async fn alert(connection: &mut PgConnection, job: &LiveJob, terms: Terms<'_>) -> Result<(), sqlx::Error> {
    for crossing in crossings(terms.thresholds, ThresholdAction::Alert, &job.totals) {
        let Ok(threshold) = i32::try_from(crossing.threshold) else { continue };
        if job.alerted.contains(&threshold) {
            continue;
        }
        let mut transaction = connection.begin().await?;
        sqlx::query("update fabric.jobs set alerted = alerted || $2 where job_id = $1")
            .bind(job.job.0)
            .bind(threshold)
            .execute(&mut *transaction)
            .await?;
        jobs::emit(&mut transaction, job.job, Some(&crossing.text)).await?;
        transaction.commit().await?;
        tracing::warn!(job = %job.job, feed = job.feed, alert = crossing.text, "a threshold is passed");
    }
    Ok(())
}

/// Takes a stopping job the rest of the way, unless its lock is held for now: the next round tries again. Where a
/// threshold stopped it, the reason says how far past it the chunks in flight have taken it.
async fn finish(connection: &mut PgConnection, job: &LiveJob, thresholds: &[Threshold]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    if !jobs::lock_alone(&mut transaction, job.job).await? {
        transaction.rollback().await?;
        return jobs::evict(connection, job.job, EVICT_AFTER).await;
    }
    let last = read(&mut transaction, Some(job.job)).await?.pop();
    let by_threshold = job.reason.as_ref().is_some_and(|reason| !reason.starts_with("cancelled by"));
    let overshot = last
        .filter(|_| by_threshold)
        .and_then(|last| crossings(thresholds, ThresholdAction::Stop, &last.totals).into_iter().next());
    let reason = overshot.as_ref().map_or(Reason::Keep, |crossing| Reason::Because(&crossing.text));
    if jobs::make_move(&mut transaction, job.job, Move::LockTaken, reason).await?.is_ok() {
        faults::statement("steward.stop.sent", &mut transaction).await?;
        transaction.commit().await?;
        jobs::log_move(job.job, &job.feed, JobState::Stopped, job.reason.as_deref());
    }
    Ok(())
}

/// What can be wrong with a job whose chunks are still to come.
async fn wait(connection: &mut PgConnection, job: &LiveJob, missing: bool) -> Result<(), sqlx::Error> {
    match job.state {
        JobState::Registered | JobState::Publishing if job.lease_expired => {
            let goes_on = match job.cut_by {
                CutBy::Fabric => "`fabric ingest` of the same file goes on with it".to_owned(),
                CutBy::Publisher => {
                    format!("it goes on with `fabric jobs renew {0}` or `fabric jobs open --resume {0}`", job.job)
                }
            };
            let reason = format!("its publisher's lease ran out; {goes_on}");
            change(connection, job, &[(Move::LeaseExpired, Reason::Because(&reason))]).await?;
        }
        JobState::Loading | JobState::Parked if missing && job.owed.sent > 0 => {
            // Copies that were on their way were consumed or deleted, and their chunks are owed all the same.
            jobs::send_anew(&mut *connection, job.job).await?;
        }
        JobState::Loading if missing => {
            let reason = name_missing(connection, job).await?;
            change(connection, job, &[(Move::ChunksLost, Reason::Because(&reason))]).await?;
        }
        _ => {}
    }
    Ok(())
}

/// `chunks are missing (3): 4-5, 9; …`, at most ten ranges.
async fn name_missing(connection: &mut PgConnection, job: &LiveJob) -> Result<String, sqlx::Error> {
    let ranges = jobs::missing(connection, job.job).await?;
    let count: u64 = ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
    let sends = match job.cut_by {
        CutBy::Fabric => format!("`fabric ingest --resume {}` sends them again", job.job),
        CutBy::Publisher => format!("after `fabric jobs open --resume {}` its publisher may send them again", job.job),
    };
    Ok(format!("chunks are missing ({count}): {}; no lane holds them any more. {sends}", jobs::named(&ranges)))
}

/// The first two chunks of which one does not begin where the other ends: what they hold is not a file. Our own cutter's
/// cannot be.
async fn ill_fitting(connection: &mut PgConnection, job: JobId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select format('chunk %s begins at record %s, byte %s, but %s record %s, byte %s', seq, first_record, first_byte,
                       case seq when 0 then 'the file begins with' else 'the one before ends before' end,
                       due_record, due_byte)
           from (select seq, first_record, first_byte,
                        lag(first_record::numeric + records, 1, 1) over (order by seq) as due_record,
                        lag(first_byte::numeric + span, 1, first_byte::numeric) over (order by seq) as due_byte
                   from fabric.chunk_ledger where job_id = $1) fit
          where (first_record, first_byte) <> (due_record, due_byte) order by seq limit 1",
    )
    .bind(job.0)
    .fetch_optional(connection)
    .await
}
