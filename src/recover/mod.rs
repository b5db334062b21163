//! What Kafka keeps, into what Postgres has forgotten since it was restored to an earlier point.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `told` | `fabric.job-events` | what it tells of each job |
//! | `lanes` | what the group has committed, and the ledger | where partitions begin again |
//! | `registering` | a plan | rows: jobs, versions of feeds, rewinds |
//!
//! First what was forgotten is registered again, then partitions go back: the ledger absorbs what is there already. Streams
//! need nothing: they go on at the positions that Postgres has.

mod lanes;
mod registering;
mod told;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::PgPool;

use crate::chunk::{ChunkId, JobId, Seq};
use crate::kafka::{self, StretchReader};
use crate::ledger::JobState;
use crate::settings::Settings;
use crate::validate::proven_chunks;

pub use lanes::Rewind;
use lanes::{Committed, Offsets, Unknown};
pub use registering::apply;
use told::Told;

/// What `fabric recover` would do. Nothing of it is done yet.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub jobs: Vec<Forgotten>,
    pub rewinds: Vec<Rewind>,
    /// What nobody can put in order; for people.
    pub beyond: Vec<String>,
    /// Partitions of which the group has committed something.
    pub partitions: usize,
}

/// A job of which Postgres has forgotten something.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forgotten {
    #[serde(serialize_with = "as_number")]
    pub job: JobId,
    pub feed: String,
    pub feed_version: i32,
    pub what: What,
    /// Postgres does not know the version of the feed either.
    pub version_is_forgotten: bool,
    #[serde(skip)]
    told: Told,
}

/// What of a job is done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It is registered, and closed with what its publisher had counted.
    RegisterClosed,
    /// It is registered; its publisher had not come to the end of the file.
    RegisterOpen,
    /// It is registered as what it had ended as.
    RegisterEnded(#[serde(serialize_with = "as_word")] JobState),
    /// It is there, and has forgotten that all its chunks are published.
    Close,
    /// It is there, and has forgotten a run of its publisher.
    AddTokens,
}

fn as_number<S: serde::Serializer>(job: &JobId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(job.0)
}

fn as_word<S: serde::Serializer>(state: &JobState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

/// Why it cannot be said what is to be done.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// In people's words.
    #[error("{0}")]
    Kafka(String),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("reading Kafka broke down: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.rewinds.is_empty()
    }
}

/// A job as Postgres knows it.
#[derive(sqlx::FromRow)]
struct Row {
    job_id: i64,
    feed: String,
    registered_at: i64,
    state: String,
    closed: bool,
    tokens: Vec<Vec<u8>>,
}

/// Compares what Kafka keeps with what Postgres knows. Changes nothing.
pub async fn plan(settings: &Settings, pool: &PgPool) -> Result<Plan, RecoverError> {
    let of_kafka = settings.clone();
    let read = tokio::task::spawn_blocking(move || {
        let told = told::read(&of_kafka.kafka)?;
        Ok((told, lanes::committed(&of_kafka, proven_chunks)?))
    });
    let in_words = |error| RecoverError::Kafka(kafka::describe(&error, &settings.kafka));
    let (told, committed) = read.await?.map_err(in_words)?;
    let mut plan = Plan { partitions: committed.len(), ..Plan::default() };
    let rows = rows(pool).await?;
    let versions = versions(pool).await?;
    for (job, mut of_number) in told {
        let latest = of_number.pop();
        of_number.iter().for_each(|earlier| plan.beyond.push(another(job, &earlier.opened.feed)));
        if let Some(told) = latest {
            compare(&mut plan, job, told, rows.get(&job), &versions);
        }
    }
    let known = offsets(pool, &committed).await?;
    let (of_kafka, partitions) = (settings.kafka.clone(), committed.clone());
    let unknown = tokio::task::spawn_blocking(move || {
        let reader = StretchReader::new(&of_kafka)?;
        let none = BTreeSet::new();
        let of = |partition: &Committed| {
            let known = known.get(&(partition.topic.clone(), partition.partition)).unwrap_or(&none);
            lanes::unknown(&reader, partition, known)
        };
        partitions.iter().map(of).collect::<Result<Vec<_>, _>>()
    });
    let unknown = unknown.await?.map_err(in_words)?;
    rewinds(&mut plan, pool, &committed, &unknown, &rows).await?;
    Ok(plan)
}

fn compare(plan: &mut Plan, job: JobId, told: Told, row: Option<&Row>, versions: &BTreeMap<(String, i32), Vec<u8>>) {
    let opened = &told.opened;
    let ended = told.state.as_ref().map(|(state, _)| *state).filter(|state| state.has_ended());
    let ended = ended.filter(|state| *state != JobState::Completed);
    let what = match row {
        Some(row) if row.feed != opened.feed || told.registered_at.is_some_and(|at| at != row.registered_at) => {
            return plan.beyond.push(another(job, &opened.feed));
        }
        Some(row) if told.closed.is_some() && !row.closed && takes_chunks(&row.state) => What::Close,
        Some(row) if told.tokens.iter().any(|token| !row.tokens.contains(token)) => What::AddTokens,
        Some(_) => return,
        None if let Some(state) = ended => What::RegisterEnded(state),
        None if told.closed.is_some() => What::RegisterClosed,
        None => What::RegisterOpen,
    };
    let version = (opened.feed.clone(), opened.feed_version);
    let stored = versions.get(&version);
    if stored.is_some_and(|sha256| Some(&sha256[..]) != registering::sha256(&opened.version_row).as_deref()) {
        plan.beyond.push(format!(
            "job {job} was judged by feed {} v{}, which is another version now: load its file again",
            opened.feed, opened.feed_version
        ));
        return;
    }
    plan.jobs.push(Forgotten {
        job,
        feed: opened.feed.clone(),
        feed_version: opened.feed_version,
        what,
        version_is_forgotten: stored.is_none(),
        told,
    });
}

fn takes_chunks(state: &str) -> bool {
    JobState::parse(state).is_some_and(JobState::takes_chunks)
}

fn another(job: JobId, feed: &str) -> String {
    format!(
        "job {job} of feed {feed} is forgotten, and its number has been given to another since: load its file again"
    )
}

async fn rows(pool: &PgPool) -> Result<BTreeMap<JobId, Row>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select j.job_id, j.feed, (extract(epoch from j.registered_at) * 1000000)::bigint as registered_at, j.state,
                j.chunks is not null as closed,
                array(select token_hash from fabric.job_tokens t where t.job_id = j.job_id) as tokens
           from fabric.jobs j",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (JobId(row.job_id), row)).collect())
}

async fn versions(pool: &PgPool) -> Result<BTreeMap<(String, i32), Vec<u8>>, sqlx::Error> {
    let rows: Vec<(String, i32, Vec<u8>)> =
        sqlx::query_as("select feed, version, sha256 from fabric.feed_versions").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(feed, version, sha256)| ((feed, version), sha256)).collect())
}

/// Where chunks stand that the ledger knows, or that are owed.
async fn offsets(pool: &PgPool, partitions: &[Committed]) -> Result<Offsets, sqlx::Error> {
    let topics: BTreeSet<&str> = partitions.iter().map(|partition| partition.topic.as_str()).collect();
    let rows: Vec<(String, i32, i64)> = sqlx::query_as(
        r#"select topic, partition, "offset" from fabric.chunk_ledger where topic = any($1)
           union all select topic, partition, "offset" from fabric.owed_chunks where topic = any($1)"#,
    )
    .bind(Vec::from_iter(topics))
    .fetch_all(pool)
    .await?;
    let mut offsets = Offsets::new();
    for (topic, partition, offset) in rows {
        offsets.entry((topic, partition)).or_default().insert(offset);
    }
    Ok(offsets)
}

/// Chunks that stand at places which the ledger does not know may be known by their numbers, or be of a job that takes no more.
async fn rewinds(
    plan: &mut Plan,
    pool: &PgPool,
    committed: &[Committed],
    unknown: &[Vec<Unknown>],
    rows: &BTreeMap<JobId, Row>,
) -> Result<(), sqlx::Error> {
    let named = committed.iter().flat_map(|partition| partition.names.iter().copied());
    let chunks: BTreeSet<ChunkId> = unknown.iter().flatten().filter_map(|unknown| unknown.chunk).chain(named).collect();
    let loaded = in_ledger(pool, &chunks).await?;
    let mut live: BTreeSet<JobId> =
        rows.values().filter(|row| takes_chunks(&row.state)).map(|row| JobId(row.job_id)).collect();
    let again = plan.jobs.iter().filter(|job| !matches!(job.what, What::RegisterEnded(_)));
    live.extend(again.map(|job| job.job));
    let forgotten: BTreeSet<JobId> = plan.jobs.iter().map(|job| job.job).collect();
    let mut of_nobody: BTreeMap<JobId, u64> = BTreeMap::new();
    for (partition, unknown) in committed.iter().zip(unknown) {
        let missing: Vec<_> = unknown
            .iter()
            .filter_map(|at| Some((at.offset, at.chunk?)))
            .filter(|(_, chunk)| !loaded.contains(chunk))
            .collect();
        for (_, chunk) in &missing {
            if !rows.contains_key(&chunk.job) && !forgotten.contains(&chunk.job) {
                *of_nobody.entry(chunk.job).or_default() += 1;
            }
        }
        let to_load = missing.iter().filter(|(_, chunk)| live.contains(&chunk.job)).map(|(offset, _)| *offset);
        let is_refused = partition.names.iter().any(|chunk| !loaded.contains(chunk));
        plan.rewinds.extend(lanes::rewind(partition, to_load, is_refused));
    }
    for (job, chunks) in of_nobody {
        plan.beyond.push(format!(
            "{chunks} chunks of job {job}, of which nothing is known: they are in the dead letters, or of a release that \
             told Kafka nothing of its jobs"
        ));
    }
    Ok(())
}

async fn in_ledger(pool: &PgPool, chunks: &BTreeSet<ChunkId>) -> Result<BTreeSet<ChunkId>, sqlx::Error> {
    let (jobs, seqs): (Vec<i64>, Vec<i32>) =
        chunks.iter().map(|chunk| (chunk.job.0, chunk.seq.0.cast_signed())).unzip();
    let rows: Vec<(i64, i32)> = sqlx::query_as(
        "select job_id, seq from fabric.chunk_ledger join unnest($1::bigint[], $2::int[]) as c (job_id, seq)
          using (job_id, seq)",
    )
    .bind(jobs)
    .bind(seqs)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(job, seq)| ChunkId { job: JobId(job), seq: Seq(seq.cast_unsigned()) }).collect())
}
