//! Registers a job, or finds the one to go on with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool};

use super::earlier::{Decision, Earlier, decide};
use super::emit;
use super::lease::{Claim, CutBy, Opened, add_token, open};
use super::moves::{log_move, read_state};
use crate::chunk::{JobId, Lane, Limits, Token};
use crate::config::references::{self, ReferenceError};
use crate::config::{FeedVersion, ReferencePins};
use crate::faults;
use crate::ledger::JobState;
use crate::load::TargetError;
use crate::settings::LoadSettings;

/// What is known of a file before it is read. All figures are of the bytes as stored (before decompression).
#[derive(Debug, Clone, Default)]
pub struct SourceIdentity {
    /// For people: the file's name, `-` for a pipe.
    pub file: String,
    /// Absolute; `None` for a pipe.
    pub path: Option<PathBuf>,
    pub bytes: Option<u64>,
    /// SHA-256 of the first MiB.
    pub head: Option<[u8; 32]>,
    /// SHA-256 of the last MiB.
    pub tail: Option<[u8; 32]>,
    /// SHA-256 of the whole, where it has been read for this.
    pub content: Option<[u8; 32]>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub feed: String,
    pub lane: Lane,
    pub source: SourceIdentity,
    pub limits: Limits,
    /// Load it though it was loaded before.
    pub again: bool,
    /// `host/pid/start`, as [`crate::ingest`] names itself.
    pub publisher: String,
    pub lease: Duration,
    pub cut_by: CutBy,
}

impl NewJob {
    fn claim(&self) -> Claim<'_> {
        Claim { publisher: &self.publisher, lease: self.lease, cut_by: self.cut_by }
    }
}

/// A job that this process may publish: pinned, leased to it, with a token of its own.
pub struct OpenJob {
    pub job: JobId,
    pub token: Token,
    pub feed: Arc<FeedVersion>,
    pub limits: Limits,
    pub lane: Lane,
}

/// What registering came to.
pub enum Registration {
    New(OpenJob),
    /// An earlier run of the same file was cut short; this goes on with its job.
    Continue(OpenJob),
    /// An earlier job has the same size, head and tail: call again with `content` set.
    HashNeeded {
        like: JobId,
    },
    /// The same content was loaded, or is loading.
    Duplicate {
        of: JobId,
        state: JobState,
    },
    /// Another process holds the lease of this file's job for that much longer.
    Leased {
        job: JobId,
        publisher: String,
        remaining: Duration,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(
        "job {job} was cut by cutter version {pinned}; this fabric has version {ours}. Resume it with the release that began it, or cancel it and load the file again"
    )]
    OtherCutter { job: JobId, pinned: i32, ours: i32 },
    #[error(
        "job {job} is published by a program that cuts its file itself: run that one again, which goes on with `fabric jobs open --resume {job}`; or cancel the job and load the file with `fabric ingest`"
    )]
    CutByPublisher { job: JobId },
    #[error(
        "job {job} is published by `fabric ingest`: go on with `fabric ingest --resume {job}`, or cancel it and open another"
    )]
    CutByFabric { job: JobId },
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("job {job} is {state}: it cannot be resumed")]
    NotResumable { job: JobId, state: JobState },
    #[error("the operating system gives no random bytes for the job's token: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

impl RegisterError {
    /// The driver's error, where it is one.
    pub fn postgres(&self) -> Option<&sqlx::Error> {
        use crate::config::ConfigError;
        match self {
            Self::Postgres(error)
            | Self::Reference(ReferenceError::Postgres(error))
            | Self::Config(ConfigError::Postgres(error) | ConfigError::Target(TargetError::Postgres(error))) => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// Advisory locks of two integers are apart from those of one: no job's lock is ever this one.
const REGISTER_LOCK: i32 = 0xfab2;

/// What became of the transaction that registers.
enum Attempt {
    Answered(Box<Answer>),
    /// The feed's active version, or a job of the same content, changed under it.
    Again,
}

enum Answer {
    New(JobId, Token),
    Continue(Opened),
    Told(Registration),
}

/// Registers a job for a file, or says why there is none to register: see [`Registration`]. Everything is pinned in
/// one transaction, the versions of the reference sets that the feed's rules look up too; the target is made or checked before it. Of processes that register the same file at once one
/// wins, the others find its job.
pub async fn register(pool: &PgPool, new: &NewJob, load: &LoadSettings) -> Result<Registration, RegisterError> {
    loop {
        let feed = crate::config::active_feed(pool, &new.feed).await?;
        if let Some(stream) = &feed.feed.stream {
            let (name, topic) = (new.feed.clone(), stream.topic.clone());
            return Err(crate::config::ConfigError::NoFiles { name, topic }.into());
        }
        let mut connection = pool.acquire().await?;
        crate::load::ensure_target(&mut connection, &feed.feed, load)
            .await
            .map_err(crate::config::ConfigError::from)?;
        drop(connection);
        match attempt(pool, new, &feed).await? {
            Attempt::Again => {}
            Attempt::Answered(answer) => {
                return match *answer {
                    Answer::Told(registration) => Ok(registration),
                    Answer::New(job, token) => {
                        log_move(job, &new.feed, JobState::Registered, None);
                        Ok(Registration::New(OpenJob {
                            job,
                            token,
                            feed: Arc::new(feed),
                            limits: new.limits,
                            lane: new.lane,
                        }))
                    }
                    Answer::Continue(opened) => Ok(Registration::Continue(opened.into_job(pool).await?)),
                };
            }
        }
    }
}

async fn attempt(pool: &PgPool, new: &NewJob, feed: &FeedVersion) -> Result<Attempt, RegisterError> {
    let mut transaction = pool.begin().await?;
    let decision = match new.again {
        true => Decision::New,
        false => {
            lock_identity(&mut transaction, new).await?;
            decide(new.source.content, &earlier(&mut transaction, new).await?)
        }
    };
    let answer = match decision {
        Decision::New => {
            let pins = references::pin(&mut transaction, &feed.feed).await?;
            match insert(&mut transaction, new, feed.version, pins).await? {
                Some((job, token)) => Answer::New(job, token),
                None => return Ok(Attempt::Again),
            }
        }
        Decision::Continue(job) => Answer::Continue(open(&mut transaction, job, &new.claim()).await?),
        Decision::HashNeeded { like } => Answer::Told(Registration::HashNeeded { like }),
        Decision::Duplicate { of, state } => Answer::Told(Registration::Duplicate { of, state }),
        Decision::Leased { job, publisher, remaining } => {
            Answer::Told(Registration::Leased { job, publisher, remaining })
        }
    };
    faults::statement("register.commit.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("register.commit.acked").await?;
    Ok(Attempt::Answered(Box::new(answer)))
}

/// Held until the transaction ends, by whoever registers a file of this feed with this fingerprint.
async fn lock_identity(connection: &mut PgConnection, new: &NewJob) -> Result<(), sqlx::Error> {
    let source = &new.source;
    let identity = format!("{} {:?} {:?} {:?}", new.feed, source.bytes, source.head, source.tail);
    sqlx::query("select pg_advisory_xact_lock($1, hashtext($2))")
        .bind(REGISTER_LOCK)
        .bind(identity)
        .execute(connection)
        .await?;
    Ok(())
}

/// Jobs of the feed that the file may be. A pipe, of which nothing is known, is like none.
async fn earlier(connection: &mut PgConnection, new: &NewJob) -> Result<Vec<Earlier>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        job_id: i64,
        state: String,
        content_sha256: Option<Vec<u8>>,
        whole: bool,
        publisher: Option<String>,
        lease_left: f64,
    }
    let source = &new.source;
    let rows: Vec<Row> = sqlx::query_as(
        "select job_id, state, content_sha256, chunks is not null as whole, publisher,
                greatest(coalesce(extract(epoch from lease_until - clock_timestamp()), 0), 0)::float8 as lease_left
           from fabric.jobs
          where feed = $1
            and ((source_bytes = $2 and head_sha256 = $3 and tail_sha256 = $4) or content_sha256 = $5)
            and state in ('registered', 'publishing', 'loading', 'reconciling', 'completed', 'parked', 'stalled',
                          'incomplete')
          order by job_id",
    )
    .bind(&new.feed)
    .bind(source.bytes.map(u64::cast_signed))
    .bind(source.head.as_ref().map(|hash| &hash[..]))
    .bind(source.tail.as_ref().map(|hash| &hash[..]))
    .bind(source.content.as_ref().map(|hash| &hash[..]))
    .fetch_all(connection)
    .await?;
    let earlier = |row: Row| {
        Ok(Earlier {
            job: JobId(row.job_id),
            state: read_state(row.state)?,
            content: row.content_sha256.and_then(|hash| hash.try_into().ok()),
            whole: row.whole,
            publisher: row.publisher.unwrap_or_default(),
            lease_left: Duration::from_secs_f64(row.lease_left),
        })
    };
    rows.into_iter().map(earlier).collect()
}

/// `None`: `version` is not the active one any more, or another job of the same content appeared.
async fn insert(
    connection: &mut PgConnection,
    new: &NewJob,
    version: i32,
    pins: ReferencePins,
) -> Result<Option<(JobId, Token)>, RegisterError> {
    let source = &new.source;
    // The row of the feed is locked against a change of its active version until the job has pinned it.
    let inserted: Result<Option<i64>, sqlx::Error> = sqlx::query_scalar(
        "insert into fabric.jobs
                (feed, feed_version, lane, file, path, source_bytes, head_sha256, tail_sha256, content_sha256, again,
                 cutter_version, chunk_bytes, record_bytes, lease_until, publisher, reference_pins)
         select f.feed, f.active_version, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                clock_timestamp() + $14 * interval '1 second', $15, $16
           from fabric.feeds f where f.feed = $1 and f.active_version = $2 and f.retired_at is null
            for share
         returning job_id",
    )
    .bind(&new.feed)
    .bind(version)
    .bind(new.lane.as_str())
    .bind(&source.file)
    .bind(source.path.as_ref().map(|path| path.to_string_lossy().into_owned()))
    .bind(source.bytes.map(u64::cast_signed))
    .bind(source.head.as_ref().map(|hash| &hash[..]))
    .bind(source.tail.as_ref().map(|hash| &hash[..]))
    .bind(source.content.as_ref().map(|hash| &hash[..]))
    .bind(new.again)
    .bind(new.cut_by.version())
    .bind(size(new.limits.chunk_bytes))
    .bind(size(new.limits.record_bytes))
    .bind(new.lease.as_secs_f64())
    .bind(&new.publisher)
    .bind(Json(pins))
    .fetch_optional(&mut *connection)
    .await;
    let job = match inserted {
        Ok(Some(job)) => JobId(job),
        Ok(None) => return Ok(None),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_one_live_per_content") => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let token = add_token(connection, job).await?;
    emit(connection, job, None).await?;
    Ok(Some((job, token)))
}

/// Limits are settings with bounds far below 2 GiB.
fn size(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
