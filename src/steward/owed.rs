//! Turns targets that take records again into jobs that go on with what they owe.
//!
//! A target at fault is tried now and then, on a connection of its own: first without a record, then with one owed chunk
//! of a parked job, copied to the end of its lane. Once that is loaded, the rest follows. A leader that has lost its seat
//! may do all this beside its successor: moves go by the table under the job's lock, and the ledger knows a chunk that
//! was copied twice.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::live::LiveJob;
use crate::chunk::{ChunkId, Delivery, JobId};
use crate::feed::Feed;
use crate::ingest::{Copied, copy_owed};
use crate::ledger::JobState;
use crate::load::{TargetError, probe_target};
use crate::retry::Waits;
use crate::settings::Settings;
use crate::{faults, jobs, postgres};

/// Between two tries of one target the wait grows to this many times the first.
const LONGEST_WAIT: u32 = 30;
/// One try, or the sending of what a job owes, that takes longer is given up: a server does not answer.
const TASK_LIMIT: Duration = Duration::from_secs(300);
/// Tries at a time: each takes a connection.
const AT_ONCE: usize = 4;

pub(super) struct OwedChunks {
    settings: Settings,
    of: HashMap<JobId, Care>,
}

/// What is done about the chunks that one job owes.
struct Care {
    waits: Waits,
    due: Instant,
    doing: Option<JoinHandle<Result<Done, String>>>,
    /// Chunks in the ledger when one was sent ahead: more of them mean that the target takes records.
    tried_at: Option<u64>,
    /// What was last said of the target: said once.
    said: String,
}

/// What a task came to.
enum Done {
    /// One chunk is on its way to show whether the target takes it.
    Tried,
    Sent(usize),
}

/// What a job's owed chunks wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// See whether the target could take records; then send one chunk ahead.
    Try,
    /// See whether the target could take records; then send what is owed.
    SendIfItCould,
    Send,
    /// The chunk that was sent ahead has come back.
    Refused,
}

impl OwedChunks {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), of: HashMap::new() }
    }

    /// Begins what is due, and hears of what has ended since the last round. Never waits.
    pub(super) async fn look(&mut self, live: &[LiveJob], feeds: &HashMap<(String, i32), Option<Feed>>) {
        self.of.retain(|job, _| live.iter().any(|live| live.job == *job));
        let mut at_work = self.of.values().filter(|care| care.doing.is_some()).count();
        for job in live {
            if !self.of.contains_key(&job.job) && !cares(job) {
                continue;
            }
            let first = self.settings.steward.probe_interval;
            let care = self.of.entry(job.job).or_insert_with(|| Care::new(first));
            if care.is_busy(job).await {
                continue;
            }
            let Some(Some(feed)) = feeds.get(&(job.feed.clone(), job.feed_version)) else { continue };
            let now = Instant::now();
            let step = step(job, care.tried_at, now >= care.due);
            match step {
                Step::Nothing => {}
                Step::Refused => {
                    care.tried_at = None;
                    care.due = now + care.waits.next_wait();
                }
                Step::Try | Step::SendIfItCould | Step::Send if at_work < AT_ONCE => {
                    at_work += 1;
                    care.tried_at = (step == Step::Try).then_some(job.totals.chunks);
                    care.due = now + care.waits.next_wait();
                    let work = work(self.settings.clone(), job.clone(), feed.clone(), step);
                    care.doing = Some(tokio::spawn(async move {
                        timeout(TASK_LIMIT, work).await.unwrap_or_else(|_| Err("nobody answered".into()))
                    }));
                }
                Step::Try | Step::SendIfItCould | Step::Send => {}
            }
        }
    }
}

impl Care {
    fn new(first: Duration) -> Self {
        let waits = Waits::new(first, LONGEST_WAIT * first);
        Self { waits, due: Instant::now() + first, doing: None, tried_at: None, said: String::new() }
    }

    async fn is_busy(&mut self, job: &LiveJob) -> bool {
        let Some(doing) = self.doing.take_if(|doing| doing.is_finished()) else { return self.doing.is_some() };
        match doing.await.unwrap_or_else(|broken| Err(broken.to_string())) {
            Ok(Done::Tried) => {
                tracing::info!(job = %job.job, feed = job.feed, "a chunk is sent to try the target with")
            }
            Ok(Done::Sent(chunks)) => {
                self.said.clear();
                tracing::info!(job = %job.job, feed = job.feed, chunks, "chunks that a job owed are on their way again");
            }
            Err(reason) => {
                self.tried_at = None;
                if self.said != reason {
                    tracing::warn!(job = %job.job, feed = job.feed, reason, "a job goes on owing chunks");
                    self.said = reason;
                }
            }
        }
        // The job as read may be older than what was done: it is looked at again in the next round.
        true
    }
}

/// Whether there is anything to be done about what the job owes, or about its being parked.
fn cares(job: &LiveJob) -> bool {
    let takes_chunks = job.state.takes_chunks();
    takes_chunks && (job.owed.to_send() > 0 || (job.state == JobState::Parked && job.owed.quarantined == 0))
}

fn step(job: &LiveJob, tried_at: Option<u64>, due: bool) -> Step {
    match (job.state, tried_at) {
        _ if !cares(job) => Step::Nothing,
        (JobState::Parked, Some(chunks)) if job.totals.chunks > chunks => Step::Send,
        (JobState::Parked, Some(_)) if job.owed.sent > 0 => Step::Nothing,
        (JobState::Parked, Some(_)) => Step::Refused,
        _ if !due => Step::Nothing,
        (JobState::Parked, None) if job.owed.sent > 0 => Step::Nothing,
        (JobState::Parked, None) if job.owed.to_send() > 0 => Step::Try,
        _ => Step::SendIfItCould,
    }
}

/// The errors are in people's words.
async fn work(settings: Settings, job: LiveJob, feed: Feed, step: Step) -> Result<Done, String> {
    let in_words = |error: sqlx::Error| postgres::describe(&error, &settings.postgres);
    let mut connection = postgres::connect(&settings.postgres, "fabric steward probe").await.map_err(in_words)?;
    if step != Step::Send {
        probe_target(&mut connection, &feed).await.map_err(|error| match error {
            TargetError::Unfit(reason) => reason,
            TargetError::Postgres(error) => in_words(error),
        })?;
        faults::step("owed.probed").await;
    }
    if step == Step::Try {
        let first: Vec<_> = jobs::to_try(&mut connection, job.job).await.map_err(in_words)?.into_iter().collect();
        if copy(&settings, &mut connection, &job, first).await?.gone.is_empty() {
            return Ok(Done::Tried);
        }
        // The lane does not hold it: nothing is left to try the target with but all the rest.
        jobs::send_anew(&mut connection, job.job).await.map_err(in_words)?;
    }
    let resumed = jobs::go_on(&mut connection, job.job).await.map_err(in_words)?;
    faults::step("owed.released").await;
    let owed = resumed.map(|resumed| resumed.owed).unwrap_or_default();
    let copied = copy(&settings, &mut connection, &job, owed).await?;
    if !copied.gone.is_empty() {
        jobs::lose(&mut connection, job.job, &copied.gone).await.map_err(|error| error.to_string())?;
    }
    Ok(Done::Sent(copied.copied.len()))
}

async fn copy(
    settings: &Settings,
    connection: &mut PgConnection,
    job: &LiveJob,
    owed: Vec<(ChunkId, Delivery)>,
) -> Result<Copied, String> {
    if owed.is_empty() {
        return Ok(Copied::default());
    }
    let (copying, lane) = (settings.clone(), job.lane);
    let copied = match tokio::task::spawn_blocking(move || copy_owed(&copying, lane, owed)).await {
        Ok(Ok(copied)) => copied,
        failed => {
            // If this fails too, it is found out that no copy came.
            jobs::send_anew(&mut *connection, job.job).await.ok();
            return Err(match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "the thread that copies broke down".into(),
            });
        }
    };
    faults::step("owed.copied").await;
    jobs::copied(&mut *connection, job.job, &copied.last_offsets)
        .await
        .map_err(|error| postgres::describe(&error, &settings.postgres))?;
    Ok(copied)
}

/// A chunk that was set aside by one loader while another loaded it is not owed.
pub(super) async fn forget_loaded(connection: &mut PgConnection, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from fabric.owed_chunks o using fabric.chunk_ledger l
          where o.job_id = $1 and (l.job_id, l.seq) = (o.job_id, o.seq)",
    )
    .bind(job.0)
    .execute(connection)
    .await?;
    Ok(())
}
