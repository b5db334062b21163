//! A job's report, from its ledger rows.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgPool};

use super::rejects::sum_by_rule;
use crate::chunk::JobId;
use crate::report::{Report, Skipped};

#[derive(FromRow)]
struct Row {
    feed: String,
    feed_version: i32,
    file: String,
    state: String,
    reason: Option<String>,
    records: i64,
    loaded: i64,
    rejected: i64,
    headers: i64,
    blanks: i64,
    bytes: i64,
    seconds: f64,
}

/// From the ledger, exact at any time. `None`: no such job. Records, blank lines and bytes are what the publisher
/// counted once it has closed the job, before that what has been loaded.
pub async fn report(pool: &PgPool, job: JobId) -> Result<Option<Report>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "select feed, feed_version, file, state, reason,
                coalesce(j.records, l.records) as records, l.loaded, l.rejected,
                coalesce(j.headers, 0) as headers, coalesce(j.blanks, l.blanks) as blanks,
                coalesce(j.bytes, l.bytes) as bytes,
                extract(epoch from coalesce(ended_at, clock_timestamp()) - registered_at)::float8 as seconds
           from fabric.jobs j,
                (select coalesce(sum(records), 0)::bigint as records, coalesce(sum(loaded), 0)::bigint as loaded,
                        coalesce(sum(rejected), 0)::bigint as rejected, coalesce(sum(blanks), 0)::bigint as blanks,
                        coalesce(sum(span), 0)::bigint as bytes
                   from fabric.chunk_ledger where job_id = $1) l
          where j.job_id = $1",
    )
    .bind(job.0)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rejects = sum_by_rule(pool, job, "rejects_by_rule").await?;
    let warnings = sum_by_rule(pool, job, "warnings_by_rule").await?;
    Ok(Some(row.report(job, rejects, warnings)))
}

impl Row {
    fn report(self, job: JobId, rejects: Vec<(String, u64)>, warnings: Vec<(String, u64)>) -> Report {
        let handled = (self.loaded + self.rejected) as f64;
        Report {
            schema_version: 1,
            job: Some(job.0),
            feed: self.feed,
            feed_version: Some(self.feed_version),
            file: self.file,
            state: Some(self.state),
            reason: self.reason,
            records: self.records.cast_unsigned(),
            loaded: Some(self.loaded.cast_unsigned()),
            accepted: None,
            rejected: self.rejected.cast_unsigned(),
            superseded: 0,
            rejects_by_rule: BTreeMap::from_iter(rejects),
            warnings_by_rule: BTreeMap::from_iter(warnings),
            skipped: Skipped {
                header: self.headers.cast_unsigned(),
                blank: self.blanks.cast_unsigned(),
                ..Skipped::default()
            },
            controls: Vec::new(),
            bytes: self.bytes.cast_unsigned(),
            seconds: self.seconds,
            records_per_second: if self.seconds > 0.0 { handled / self.seconds } else { 0.0 },
        }
    }
}
