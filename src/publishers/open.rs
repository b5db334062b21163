//! Opens a job for a program that publishes its chunks, and tells it all that it needs to do so.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgPool;

use super::{PublisherError, hex, in_words, lane};
use crate::chunk::{ENVELOPE_SCHEMA, Envelope, JobId, Lane, Limits};
use crate::feed::Feed;
use crate::ingest;
use crate::jobs::{self, Claim, CutBy, JobOpened, NewJob, OpenJob, Recorder, Registration, SourceIdentity};
use crate::settings::Settings;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Open {
    pub which: Which,
    pub lease: Duration,
}

#[derive(Debug, Clone)]
pub enum Which {
    New {
        feed: String,
        lane: Lane,
        /// Of the file, for people.
        name: String,
        /// SHA-256 of the file as stored, where it is known before: then a duplicate is told before it is published.
        content: Option<[u8; 32]>,
        again: bool,
    },
    /// `--resume`: a run that was cut short, or a job whose chunks are missing.
    Resume(JobId),
}

/// All that the publisher of a job needs. Programs read it: see `docs/producing.md`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenedJob {
    pub job: i64,
    /// 16 bytes, in hexadecimal. A secret.
    pub token: String,
    pub feed: String,
    pub feed_version: i32,
    /// An earlier run began it.
    pub goes_on: bool,
    /// Seqs that are loaded already, as ranges, inclusive: they need not be published again.
    pub loaded: Vec<[u32; 2]>,
    pub lane: &'static str,
    pub topic: String,
    pub partitions: i32,
    pub limits: MessageLimits,
    pub lease_seconds: u64,
    /// By Postgres' clock.
    pub lease_until: Option<Timestamp>,
    pub schema: ChunkSchema,
    pub layout: FileLayout,
}

/// In bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageLimits {
    /// Of a chunk's payload: what `fabric ingest` would cut; larger ones are taken.
    pub chunk_bytes: usize,
    /// A longer record, its line end included, is to be published as `OVERLONG`.
    pub record_bytes: usize,
    /// Of a whole message: the broker refuses a larger one.
    pub message_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkSchema {
    pub name: &'static str,
    /// CRC-64-AVRO of the schema, in hexadecimal, as it stands in messages: lowest byte first.
    pub fingerprint: String,
    /// With which every message begins, in hexadecimal: `c301`, then the fingerprint.
    pub message_head: String,
    /// The schema itself, `schemas/chunk.avsc`.
    pub definition: serde_json::Value,
}

/// How the feed's files are read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileLayout {
    pub delimiter: String,
    pub quote: Option<String>,
    /// The file begins with a header record, which each chunk carries as its `context`.
    pub header: bool,
    /// Columns that the header names, in any order; in this order where there is no header.
    pub fields: Vec<String>,
}

/// Kafka first: a job that cannot be published is not registered.
pub async fn open(settings: &Settings, pool: &PgPool, open: Open) -> Result<OpenedJob, PublisherError> {
    let name = format!("{} jobs-open", ingest::own_name());
    let claim = Claim { publisher: &name, lease: open.lease, cut_by: CutBy::Publisher };
    let lane = match &open.which {
        Which::New { lane, .. } => *lane,
        Which::Resume(job) => jobs::lane_of(pool, *job).await?.ok_or(PublisherError::NoJob(*job))?,
    };
    let topic = settings.kafka.lane_topic(lane);
    let there = lane::look(&settings.kafka, &topic).await?;
    let registration = match open.which {
        Which::Resume(job) => jobs::reopen(pool, job, &claim).await?,
        Which::New { feed, lane, name: file, content, again } => {
            let new = NewJob {
                feed,
                lane,
                source: SourceIdentity { file, content, ..SourceIdentity::default() },
                limits: Limits { chunk_bytes: settings.ingest.chunk_bytes, record_bytes: settings.ingest.record_bytes },
                again,
                publisher: name.clone(),
                lease: open.lease,
                cut_by: CutBy::Publisher,
            };
            jobs::register(pool, &new, &settings.load).await?
        }
    };
    let (job, goes_on) = match registration {
        Registration::New(job) => (job, false),
        Registration::Continue(job) => (job, true),
        Registration::Duplicate { of, state } => return Err(PublisherError::Duplicate { of, state }),
        Registration::Leased { job, publisher, remaining } => {
            return Err(PublisherError::Leased { job, publisher, remaining });
        }
        // Asked of those alone that know size, head and tail of their file.
        Registration::HashNeeded { like } => return Err(PublisherError::NoJob(like)),
    };
    let opened = JobOpened::of(pool, job.job, job.token.hash()).await?.ok_or(PublisherError::NoJob(job.job))?;
    Recorder::new(&settings.kafka).opened(&opened).await.map_err(|error| in_words(&error, settings))?;
    tracing::info!(job = job.job.0, feed = %job.feed.feed.name, goes_on, "opened for a program of its own");
    tell(pool, &job, goes_on, topic, there, open.lease).await
}

async fn tell(
    pool: &PgPool,
    open: &OpenJob,
    goes_on: bool,
    topic: String,
    there: lane::LaneTopic,
    lease: Duration,
) -> Result<OpenedJob, PublisherError> {
    let loaded = jobs::loaded_seqs(pool, open.job).await?;
    let (lease_until, _) = standing(pool, open.job).await?;
    let head = Envelope::message_head();
    Ok(OpenedJob {
        job: open.job.0,
        token: hex(&open.token.0),
        feed: open.feed.feed.name.to_string(),
        feed_version: open.feed.version,
        goes_on,
        loaded: ranges(loaded.into_iter().map(|(seq, _)| seq)),
        lane: open.lane.as_str(),
        topic,
        partitions: there.partitions,
        limits: MessageLimits {
            chunk_bytes: open.limits.chunk_bytes,
            record_bytes: open.limits.record_bytes,
            message_bytes: there.message_bytes,
        },
        lease_seconds: lease.as_secs(),
        lease_until,
        schema: ChunkSchema {
            name: "fabric.Chunk",
            fingerprint: hex(&head[2..]),
            message_head: hex(&head),
            definition: serde_json::from_str(ENVELOPE_SCHEMA).expect("a test parses the schema"),
        },
        layout: layout(&open.feed.feed),
    })
}

fn layout(feed: &Feed) -> FileLayout {
    let delimited = feed.layout.delimited();
    let text = |byte: u8| char::from(byte).to_string();
    FileLayout {
        delimiter: delimited.map(|layout| text(layout.delimiter)).unwrap_or_default(),
        quote: delimited.and_then(|layout| layout.quote).map(text),
        header: delimited.is_some_and(|layout| layout.header),
        fields: feed.fields.iter().map(|field| field.name.clone()).collect(),
    }
}

/// Ascending numbers as ranges, inclusive.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<[u32; 2]> {
    let mut ranges: Vec<[u32; 2]> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == number => *last = number,
            _ => ranges.push([number, number]),
        }
    }
    ranges
}

/// Until when the job's lease runs, and how many of its chunks are loaded.
pub(super) async fn standing(pool: &PgPool, job: JobId) -> Result<(Option<Timestamp>, u32), sqlx::Error> {
    let (until, loaded): (Option<i64>, i64) = sqlx::query_as(
        "select (extract(epoch from lease_until) * 1000000)::bigint,
                (select count(*) from fabric.chunk_ledger l where l.job_id = j.job_id)
           from fabric.jobs j where job_id = $1",
    )
    .bind(job.0)
    .fetch_one(pool)
    .await?;
    let until = until.map(Timestamp::from_microsecond).transpose();
    Ok((until.map_err(|error| sqlx::Error::Decode(error.into()))?, u32::try_from(loaded).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seqs_are_told_as_ranges() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8].into_iter()), [[0, 2], [5, 5], [7, 8]]);
        assert!(ranges(std::iter::empty()).is_empty());
    }
}
