//! The live jobs, with what their ledger rows add up to.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::chunk::JobId;
use crate::jobs::read_state;
use crate::ledger::{JobState, Stated, Totals};

/// One job as a round sees it.
#[derive(Debug, Clone)]
pub(super) struct LiveJob {
    pub job: JobId,
    pub feed: String,
    pub feed_version: i32,
    pub state: JobState,
    pub reason: Option<String>,
    /// `None` until the publisher has closed the job.
    pub stated: Option<Stated>,
    pub topic: Option<String>,
    pub last_offsets: BTreeMap<i32, i64>,
    pub alerted: Vec<i32>,
    /// By the server's clock.
    pub lease_expired: bool,
    pub owed: u64,
    /// Seconds since the youngest owed chunk was last sent or owed; 0 where none is.
    pub owed_for: f64,
    /// Sums as the job's row has them.
    pub stored_chunks: u64,
    pub totals: Totals,
}

#[derive(FromRow)]
struct Row {
    job_id: i64,
    feed: String,
    feed_version: i32,
    state: String,
    reason: Option<String>,
    chunks: Option<i32>,
    stated_records: Option<i64>,
    topic: Option<String>,
    last_offsets: Option<Json<BTreeMap<i32, i64>>>,
    alerted: Vec<i32>,
    lease_expired: bool,
    owed: i64,
    owed_for: f64,
    chunks_loaded: i32,
    sum_chunks: i64,
    sum_end: i64,
    sum_records: i64,
    sum_loaded: i64,
    sum_rejected: i64,
    sum_bytes: i64,
    sum_blanks: i64,
}

/// Every live job, oldest first; or the one that is asked for.
pub(super) async fn read(connection: &mut PgConnection, only: Option<JobId>) -> Result<Vec<LiveJob>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select j.job_id, feed, feed_version, state, reason, chunks, j.records as stated_records, topic, last_offsets,
                alerted, coalesce(lease_until < clock_timestamp(), true) as lease_expired, o.owed, o.owed_for,
                chunks_loaded, l.*
           from fabric.jobs j
          cross join lateral (
                select count(*) as sum_chunks, coalesce(max(seq) + 1, 0)::bigint as sum_end,
                       coalesce(sum(records), 0)::bigint as sum_records, coalesce(sum(loaded), 0)::bigint as sum_loaded,
                       coalesce(sum(rejected), 0)::bigint as sum_rejected, coalesce(sum(span), 0)::bigint as sum_bytes,
                       coalesce(sum(blanks), 0)::bigint as sum_blanks
                  from fabric.chunk_ledger l where l.job_id = j.job_id) l
          cross join lateral (
                select count(*) as owed,
                       coalesce(extract(epoch from clock_timestamp() - max(owed_since)), 0)::float8 as owed_for
                  from fabric.owed_chunks o where o.job_id = j.job_id) o
          where state in ('registered', 'publishing', 'loading', 'reconciling', 'parked', 'stopping', 'stalled',
                          'incomplete')
            and ($1::bigint is null or j.job_id = $1)
          order by j.job_id",
    )
    .bind(only.map(|job| job.0))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(LiveJob::try_from).collect()
}

impl TryFrom<Row> for LiveJob {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        // A job that is published again has no figures until it is closed again.
        let stated = row.chunks.zip(row.stated_records).map(|(chunks, records)| Stated {
            chunks: u64::from(chunks.cast_unsigned()),
            records: records.cast_unsigned(),
        });
        Ok(Self {
            job: JobId(row.job_id),
            feed: row.feed,
            feed_version: row.feed_version,
            state: read_state(row.state)?,
            reason: row.reason,
            stated,
            topic: row.topic,
            last_offsets: row.last_offsets.map(|offsets| offsets.0).unwrap_or_default(),
            alerted: row.alerted,
            lease_expired: row.lease_expired,
            owed: row.owed.cast_unsigned(),
            owed_for: row.owed_for,
            stored_chunks: u64::from(row.chunks_loaded.cast_unsigned()),
            totals: Totals {
                chunks: row.sum_chunks.cast_unsigned(),
                end: row.sum_end.cast_unsigned(),
                records: row.sum_records.cast_unsigned(),
                loaded: row.sum_loaded.cast_unsigned(),
                rejected: row.sum_rejected.cast_unsigned(),
                bytes: row.sum_bytes.cast_unsigned(),
                blanks: row.sum_blanks.cast_unsigned(),
            },
        })
    }
}
