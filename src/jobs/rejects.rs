//! A job's rejects: how many per rule, and the records themselves.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};

use crate::chunk::JobId;

/// A record that broke a rule, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectRow {
    /// From 1.
    pub record: u64,
    /// From 1.
    pub line: u64,
    /// Offset in the decompressed file, from 0.
    pub byte: u64,
    /// Bytes in the file; more than `source` holds where only the first ones were kept.
    pub length: u64,
    /// `None` past the limit of kept rejects: the byte range finds it in the file.
    pub source: Option<Vec<u8>>,
    pub reasons: Vec<RejectReason>,
}

/// One rule that a rejected record broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectReason {
    pub rule: String,
    /// `error` or `warn`.
    pub severity: String,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
    pub message: String,
}

/// Records rejected per rule, most first.
pub async fn rejects_by_rule(pool: &PgPool, job: JobId) -> Result<Vec<(String, u64)>, sqlx::Error> {
    sum_by_rule(pool, job, "rejects_by_rule").await
}

/// Sums one of the ledger's two columns of counts per rule, most first.
pub(super) async fn sum_by_rule(
    pool: &PgPool,
    job: JobId,
    column: &'static str,
) -> Result<Vec<(String, u64)>, sqlx::Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select rule, sum(count::bigint)::bigint as records
           from fabric.chunk_ledger l,
                jsonb_each_text(case $2 when 'rejects_by_rule' then rejects_by_rule else warnings_by_rule end)
                    as each (rule, count)
          where l.job_id = $1
          group by rule order by records desc, rule",
    )
    .bind(job.0)
    .bind(column)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(rule, records)| (rule, records.cast_unsigned())).collect())
}

/// Up to `limit` rejects in the order of the file, from the first past record `after_record`; with `rule` only those
/// that broke it. The last one's `record` asks for the next page.
pub async fn reject_rows(
    pool: &PgPool,
    job: JobId,
    rule: Option<&str>,
    after_record: u64,
    limit: u32,
) -> Result<Vec<RejectRow>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        record_no: i64,
        line: i64,
        byte_offset: i64,
        byte_length: i64,
        source: Option<Vec<u8>>,
        reasons: Json<Vec<RejectReason>>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select record_no, line, byte_offset, byte_length, source, reasons
           from fabric.rejects
          where job_id = $1 and record_no > $2
            and ($3::text is null or reasons @> jsonb_build_array(jsonb_build_object('rule', $3)))
          order by record_no limit $4",
    )
    .bind(job.0)
    .bind(after_record.cast_signed())
    .bind(rule)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let reject = |row: Row| RejectRow {
        record: row.record_no.cast_unsigned(),
        line: row.line.cast_unsigned(),
        byte: row.byte_offset.cast_unsigned(),
        length: row.byte_length.cast_unsigned(),
        source: row.source,
        reasons: row.reasons.0,
    };
    Ok(rows.into_iter().map(reject).collect())
}
