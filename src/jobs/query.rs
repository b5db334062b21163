//! What people ask of jobs.

use std::path::PathBuf;

use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor, PgPool};

use super::owed::Cause;
use super::report::report;
use super::{CutBy, SourceIdentity};
use crate::chunk::{Delivery, JobId, Lane, TokenHash};
use crate::config::{Checksum, ReferencePins};
use crate::ledger::JobState;
use crate::report::Report;

/// What a validator needs to judge a job's chunks.
#[derive(Debug, Clone)]
pub struct Pins {
    pub feed: String,
    pub feed_version: i32,
    /// Of what processes read of that version.
    pub checksum: Checksum,
    pub references: ReferencePins,
    pub tokens: Vec<TokenHash>,
    pub state: JobState,
}

#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    pub job: i64,
    pub feed: String,
    pub feed_version: i32,
    pub file: String,
    pub state: JobState,
    pub reason: Option<String>,
    /// As the publisher counted them; `None` until it has closed the job.
    pub records: Option<u64>,
    pub loaded: u64,
    pub rejected: u64,
    pub registered_at: jiff::Timestamp,
    pub ended_at: Option<jiff::Timestamp>,
}

/// Everything that `jobs show` prints beside the report.
#[derive(Debug, Clone)]
pub struct JobDetail {
    pub report: Report,
    pub chunks: Option<u32>,
    pub chunks_loaded: u32,
    /// Seqs that are not loaded, as ranges, inclusive: what an incomplete job lacks, what a loading one waits for.
    /// Empty until the publisher has closed the job.
    pub missing: Vec<(u32, u32)>,
    pub owed: Vec<OwedChunk>,
    pub notes: Vec<(jiff::Timestamp, String)>,
    pub registered_at: jiff::Timestamp,
    pub closed_at: Option<jiff::Timestamp>,
    pub ended_at: Option<jiff::Timestamp>,
    pub lane: String,
    pub publisher: Option<String>,
    pub registered_by: String,
    pub references: ReferencePins,
}

/// A chunk that is set aside, and where it stands.
#[derive(Debug, Clone)]
pub struct OwedChunk {
    pub seq: u32,
    pub delivery: Delivery,
    pub cause: Cause,
    pub reason: String,
}

/// Microseconds since 1970, as every query here gives its times.
fn time(micros: i64) -> Result<jiff::Timestamp, sqlx::Error> {
    jiff::Timestamp::from_microsecond(micros).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// `None`: no such job.
pub async fn pins(executor: impl PgExecutor<'_>, job: JobId) -> Result<Option<Pins>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        feed: String,
        feed_version: i32,
        reference_pins: Json<ReferencePins>,
        checksum: Vec<u8>,
        #[sqlx(try_from = "String")]
        state: JobState,
        tokens: Vec<Vec<u8>>,
    }
    let row: Option<Row> = sqlx::query_as(
        "select j.feed, j.feed_version, reference_pins, state, fabric.checksum(v.sha256, v.resolved) as checksum,
                array(select token_hash from fabric.job_tokens t where t.job_id = j.job_id) as tokens
           from fabric.jobs j join fabric.feed_versions v on (v.feed, v.version) = (j.feed, j.feed_version)
          where job_id = $1",
    )
    .bind(job.0)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Pins {
        feed: row.feed,
        feed_version: row.feed_version,
        references: row.reference_pins.0,
        // Checks in the tables hold them to 32 bytes.
        checksum: Checksum::from_bytes(&row.checksum).expect("SHA-256 has 32 bytes"),
        tokens: row.tokens.into_iter().filter_map(|hash| hash.try_into().ok()).map(TokenHash).collect(),
        state: row.state,
    }))
}

/// What was known of a job's file when it was registered, and who cuts it. `None`: no such job.
pub async fn source_of(pool: &PgPool, job: JobId) -> Result<Option<(SourceIdentity, CutBy)>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        file: String,
        path: Option<String>,
        source_bytes: Option<i64>,
        head_sha256: Option<Vec<u8>>,
        tail_sha256: Option<Vec<u8>>,
        content_sha256: Option<Vec<u8>>,
        cutter_version: i32,
    }
    let row: Option<Row> = sqlx::query_as(
        "select file, path, source_bytes, head_sha256, tail_sha256, content_sha256, cutter_version
           from fabric.jobs where job_id = $1",
    )
    .bind(job.0)
    .fetch_optional(pool)
    .await?;
    let hash = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| bytes.try_into().ok());
    let identity = |row: Row| {
        let cut_by = CutBy::of_version(row.cutter_version);
        let source = SourceIdentity {
            file: row.file,
            path: row.path.map(PathBuf::from),
            bytes: row.source_bytes.map(i64::cast_unsigned),
            head: hash(row.head_sha256),
            tail: hash(row.tail_sha256),
            content: hash(row.content_sha256),
        };
        (source, cut_by)
    };
    Ok(row.map(identity))
}

/// The lane that the job is published on. `None`: no such job.
pub async fn lane_of(pool: &PgPool, job: JobId) -> Result<Option<Lane>, sqlx::Error> {
    let name: Option<String> =
        sqlx::query_scalar("select lane from fabric.jobs where job_id = $1").bind(job.0).fetch_optional(pool).await?;
    let lane =
        |name: String| Lane::parse(&name).ok_or_else(|| sqlx::Error::Decode(format!("there is no lane {name}").into()));
    name.map(lane).transpose()
}

pub async fn state_of(pool: &PgPool, job: JobId) -> Result<Option<(JobState, Option<String>)>, sqlx::Error> {
    let row: Option<(String, Option<String>)> =
        sqlx::query_as("select state, reason from fabric.jobs where job_id = $1")
            .bind(job.0)
            .fetch_optional(pool)
            .await?;
    row.map(|(state, reason)| Ok((super::read_state(state)?, reason))).transpose()
}

/// Its state, and the records that are loaded or rejected so far, as the steward last added them up.
pub async fn progress(pool: &PgPool, job: JobId) -> Result<Option<(JobState, u64)>, sqlx::Error> {
    let row: Option<(String, i64)> =
        sqlx::query_as("select state, records_loaded + records_rejected from fabric.jobs where job_id = $1")
            .bind(job.0)
            .fetch_optional(pool)
            .await?;
    row.map(|(state, done)| Ok((super::read_state(state)?, done.cast_unsigned()))).transpose()
}

/// Newest first.
pub async fn list(pool: &PgPool, feed: Option<&str>, limit: u32) -> Result<Vec<JobSummary>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        job_id: i64,
        feed: String,
        feed_version: i32,
        file: String,
        #[sqlx(try_from = "String")]
        state: JobState,
        reason: Option<String>,
        records: Option<i64>,
        records_loaded: i64,
        records_rejected: i64,
        registered: i64,
        ended: Option<i64>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select job_id, feed, feed_version, file, state, reason, records, records_loaded, records_rejected,
                (extract(epoch from registered_at) * 1000000)::bigint as registered,
                (extract(epoch from ended_at) * 1000000)::bigint as ended
           from fabric.jobs where $1::text is null or feed = $1
          order by job_id desc limit $2",
    )
    .bind(feed)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let summary = |row: Row| {
        Ok(JobSummary {
            job: row.job_id,
            feed: row.feed,
            feed_version: row.feed_version,
            file: row.file,
            state: row.state,
            reason: row.reason,
            records: row.records.map(i64::cast_unsigned),
            loaded: row.records_loaded.cast_unsigned(),
            rejected: row.records_rejected.cast_unsigned(),
            registered_at: time(row.registered)?,
            ended_at: row.ended.map(time).transpose()?,
        })
    };
    rows.into_iter().map(summary).collect()
}

pub async fn show(pool: &PgPool, job: JobId) -> Result<Option<JobDetail>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        chunks: Option<i32>,
        chunks_loaded: i64,
        lane: String,
        publisher: Option<String>,
        registered_by: String,
        reference_pins: Json<ReferencePins>,
        registered: i64,
        closed: Option<i64>,
        ended: Option<i64>,
    }
    let Some(report) = report(pool, job).await? else { return Ok(None) };
    let row: Row = sqlx::query_as(
        "select chunks, lane, publisher, registered_by, reference_pins,
                (select count(*) from fabric.chunk_ledger l where l.job_id = j.job_id) as chunks_loaded,
                (extract(epoch from registered_at) * 1000000)::bigint as registered,
                (extract(epoch from closed_at) * 1000000)::bigint as closed,
                (extract(epoch from ended_at) * 1000000)::bigint as ended
           from fabric.jobs j where job_id = $1",
    )
    .bind(job.0)
    .fetch_one(pool)
    .await?;
    let mut connection = pool.acquire().await?;
    Ok(Some(JobDetail {
        report,
        chunks: row.chunks.map(i32::cast_unsigned),
        chunks_loaded: u32::try_from(row.chunks_loaded).unwrap_or(u32::MAX),
        missing: missing(&mut connection, job).await?,
        owed: owed(pool, job).await?,
        notes: notes(pool, job).await?,
        registered_at: time(row.registered)?,
        closed_at: row.closed.map(time).transpose()?,
        ended_at: row.ended.map(time).transpose()?,
        lane: row.lane,
        publisher: row.publisher,
        registered_by: row.registered_by,
        references: row.reference_pins.0,
    }))
}

/// Gaps between the seqs of a closed job's ledger rows, as ranges, inclusive.
pub(crate) async fn missing(connection: &mut sqlx::PgConnection, job: JobId) -> Result<Vec<(u32, u32)>, sqlx::Error> {
    let gaps: Vec<(i32, i32)> = sqlx::query_as(
        "with rows as (select seq from fabric.chunk_ledger where job_id = $1
                       union all select -1
                       union all select chunks from fabric.jobs where job_id = $1 and chunks is not null),
              pairs as (select seq, lead(seq) over (order by seq) as next from rows)
         select seq + 1, next - 1 from pairs
          where next > seq + 1 and (select chunks is not null from fabric.jobs where job_id = $1)
          order by seq",
    )
    .bind(job.0)
    .fetch_all(connection)
    .await?;
    Ok(gaps.into_iter().map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned())).collect())
}

async fn owed(pool: &PgPool, job: JobId) -> Result<Vec<OwedChunk>, sqlx::Error> {
    let rows: Vec<(i32, String, i32, i64, bool, String)> = sqlx::query_as(
        r#"select seq, topic, partition, "offset", cause = 'worker', reason
             from fabric.owed_chunks where job_id = $1 order by seq"#,
    )
    .bind(job.0)
    .fetch_all(pool)
    .await?;
    let owed = |(seq, topic, partition, offset, by_worker, reason): (i32, String, _, _, _, _)| OwedChunk {
        seq: seq.cast_unsigned(),
        delivery: Delivery { topic: topic.into(), partition, offset },
        cause: if by_worker { Cause::Worker } else { Cause::Target },
        reason,
    };
    Ok(rows.into_iter().map(owed).collect())
}

/// Ranges of seqs, for people: `4-5, 9`, at most ten of them.
pub(crate) fn named(ranges: &[(u32, u32)]) -> String {
    let name = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let named: Vec<String> = ranges.iter().take(10).map(name).collect();
    format!("{}{}", named.join(", "), if ranges.len() > 10 { ", …" } else { "" })
}

async fn notes(pool: &PgPool, job: JobId) -> Result<Vec<(jiff::Timestamp, String)>, sqlx::Error> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "select (extract(epoch from noted_at) * 1000000)::bigint, note
           from fabric.job_notes where job_id = $1 order by noted_at",
    )
    .bind(job.0)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(at, note)| Ok((time(at)?, note))).collect()
}
