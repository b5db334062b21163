//! Registers a job, or finds the one to go on with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool};

use super::earlier::{Decision, Earlier, decide};
use super::emit;
use super::moves::{Reason, lock_row, log_move, make_move, read_state};

use crate::chunk::{CUTTER_VERSION, JobId, Lane, Limits, Token};
use crate::config::references::{self, ReferenceError};
use crate::config::{FeedVersion, ReferencePins, audit};
use crate::ledger::{JobState, Move};
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
}

/// A job that this process may publish: pinned, leased to it, with a token of its own.
pub struct OpenJob {
    pub job: JobId,
    pub token: Token,
    pub feed: Arc<FeedVersion>,
    pub limits: Limits,
    pub lane: Lane,
    pub cutter_version: i32,
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

/// A job whose lease this process has just taken.
struct Opened {
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
                            cutter_version: CUTTER_VERSION,
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
        Decision::Continue(job) => Answer::Continue(open(&mut transaction, job, &new.publisher, new.lease).await?),
        Decision::HashNeeded { like } => Answer::Told(Registration::HashNeeded { like }),
        Decision::Duplicate { of, state } => Answer::Told(Registration::Duplicate { of, state }),
        Decision::Leased { job, publisher, remaining } => {
            Answer::Told(Registration::Leased { job, publisher, remaining })
        }
    };
    transaction.commit().await?;
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
    .bind(CUTTER_VERSION)
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

async fn add_token(connection: &mut PgConnection, job: JobId) -> Result<Token, RegisterError> {
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
async fn open(
    connection: &mut PgConnection,
    job: JobId,
    publisher: &str,
    lease: Duration,
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
    .bind(lease.as_secs_f64())
    .bind(publisher)
    .bind(state == JobState::Parked)
    .fetch_one(&mut *connection)
    .await?;
    if pinned.cutter_version != CUTTER_VERSION {
        return Err(RegisterError::OtherCutter { job, pinned: pinned.cutter_version, ours: CUTTER_VERSION });
    }
    let token = add_token(connection, job).await?;
    audit(connection, "resume", "job", &job.to_string(), None, None, None).await?;
    Ok(Opened { job, token, pinned })
}

impl Opened {
    async fn into_job(self, pool: &PgPool) -> Result<OpenJob, RegisterError> {
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
            cutter_version: pinned.cutter_version,
        })
    }
}

/// `--resume JOB`: takes the lease of a job that is registered, publishing (lease run out), stalled or incomplete, or
/// parked before it was published whole. [`Registration::Continue`], or [`Registration::Leased`].
pub async fn reopen(
    pool: &PgPool,
    job: JobId,
    publisher: &str,
    lease: Duration,
) -> Result<Registration, RegisterError> {
    take(pool, job, None, publisher, lease).await
}

/// Takes the lease from a publisher that is known to be gone, though the lease has not run out: the caller has seen
/// that `from`, of the caller's own host, is no process any more. [`Registration::Leased`] where another has it by now.
pub async fn take_lease(
    pool: &PgPool,
    job: JobId,
    from: &str,
    publisher: &str,
    lease: Duration,
) -> Result<Registration, RegisterError> {
    take(pool, job, Some(from), publisher, lease).await
}

async fn take(
    pool: &PgPool,
    job: JobId,
    gone: Option<&str>,
    publisher: &str,
    lease: Duration,
) -> Result<Registration, RegisterError> {
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
    if left > 0.0 && holder != publisher && gone != Some(holder.as_str()) {
        let remaining = Duration::from_secs_f64(left);
        return Ok(Registration::Leased { job, publisher: holder, remaining });
    }
    let opened = open(&mut transaction, job, publisher, lease).await?;
    transaction.commit().await?;
    Ok(Registration::Continue(opened.into_job(pool).await?))
}
