//! Turns what a program that cuts and publishes a file itself asks for into a job: opened, kept, closed.
//!
//! Such a program stands in for [`crate::ingest`]: it registers, holds a lease by a token, seals chunks with it, and
//! closes with what it counted, all by the same functions of [`crate::jobs`]. What it cannot say, the offsets of its
//! last chunks, Kafka is asked for. The protocol is `docs/producing.md`.

mod error;
mod lane;
mod open;

use std::time::Duration;

use rdkafka::error::KafkaError;
use serde::Serialize;
use sqlx::PgPool;

pub use error::PublisherError;
pub use open::{Open, OpenedJob, Which, open};

use crate::chunk::{JobId, TokenHash};
use crate::jobs::{self, CloseFigures, Closed, JobClosed, Recorder, Renewed};
use crate::kafka;
use crate::ledger::JobState;
use crate::settings::Settings;

/// For as long as closing takes.
const WHILE_CLOSING: Duration = Duration::from_secs(60);

/// A lease that was renewed, and how far the job has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub job: i64,
    pub state: JobState,
    pub lease_seconds: u64,
    /// By Postgres' clock; `None` once the job is closed.
    pub lease_until: Option<jiff::Timestamp>,
    /// The lease had run out before: nobody took it, and nothing is lost.
    pub had_run_out: bool,
    /// Chunks that are in Postgres: whoever is far ahead of it may wait.
    pub chunks_loaded: u32,
}

/// What a program states when it has published every chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    pub chunks: u32,
    pub records: u64,
    /// SHA-256 of the file as stored.
    pub content: [u8; 32],
}

/// Renews the lease that the token holds.
pub async fn renew(pool: &PgPool, job: JobId, token: TokenHash, lease: Duration) -> Result<Kept, PublisherError> {
    let (state, had_run_out) = match held(pool, job, token, lease).await? {
        (state, _) if !state.takes_chunks() => return Err(PublisherError::Ended { job, state }),
        held => held,
    };
    let (until, chunks_loaded) = open::standing(pool, job).await?;
    Ok(Kept { job: job.0, state, lease_seconds: lease.as_secs(), lease_until: until, had_run_out, chunks_loaded })
}

/// Closes the job: every chunk that was acknowledged before is known to Kafka now, so that the ends of its lane's
/// partitions say when none of them is to come any more.
pub async fn close(
    settings: &Settings,
    pool: &PgPool,
    job: JobId,
    token: TokenHash,
    stated: Stated,
) -> Result<JobState, PublisherError> {
    // With a lease that is good for a while nobody else takes the job before it is closed.
    held(pool, job, token, WHILE_CLOSING).await?;
    let lane = jobs::lane_of(pool, job).await?.ok_or(PublisherError::NoJob(job))?;
    let topic = settings.kafka.lane_topic(lane);
    let last_offsets = lane::last_offsets(&settings.kafka, &topic).await?;
    let figures = CloseFigures {
        chunks: stated.chunks,
        records: stated.records,
        file: None,
        content: stated.content,
        topic,
        last_offsets,
    };
    let told = Recorder::new(&settings.kafka).closed(&JobClosed::of(job, &figures)).await;
    told.map_err(|error| in_words(&error, settings))?;
    match jobs::close(pool, job, &figures).await? {
        Closed::Loading => Ok(jobs::state_of(pool, job).await?.map_or(JobState::Loading, |(state, _)| state)),
        Closed::Duplicate { of } => Err(PublisherError::LateDuplicate { job, of }),
        Closed::Otherwise { chunks, records, content } => {
            Err(PublisherError::ClosedOtherwise { job, chunks, records, content: hex(&content) })
        }
        Closed::Ended(state) => Err(PublisherError::Ended { job, state }),
    }
}

/// The job's state and whether its lease had run out, where the token holds it.
async fn held(
    pool: &PgPool,
    job: JobId,
    token: TokenHash,
    lease: Duration,
) -> Result<(JobState, bool), PublisherError> {
    match jobs::renew_lease(pool, job, token, lease).await {
        Ok(Renewed::Held { state, had_run_out, .. }) => Ok((state, had_run_out)),
        Ok(Renewed::Taken { publisher, .. }) => Err(PublisherError::Taken { job, publisher }),
        Ok(Renewed::Stranger) => Err(PublisherError::Stranger { job }),
        Err(sqlx::Error::RowNotFound) => Err(PublisherError::NoJob(job)),
        Err(error) => Err(error.into()),
    }
}

fn in_words(error: &KafkaError, settings: &Settings) -> PublisherError {
    PublisherError::Kafka(kafka::describe(error, &settings.kafka))
}

/// As tokens, hashes and fingerprints are written: lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
