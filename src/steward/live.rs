//! The live jobs, with what their ledger rows add up to.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::chunk::{JobId, Lane};
use crate::jobs::{CutBy, read_state};
use crate::ledger::{JobState, Stated, Totals};

/// One job as a round sees it.
#[derive(Debug, Clone)]
pub(super) struct LiveJob {
    pub job: JobId,
    pub feed: String,
    pub feed_version: i32,
    pub cut_by: CutBy,
    pub state: JobState,
    pub reason: Option<String>,
    /// `None` until the publisher has closed the job.
    pub stated: Option<Stated>,
    pub lane: Lane,
    pub topic: Option<String>,
    /// Of its last chunk on each partition, copies of owed ones included.
    pub last_offsets: BTreeMap<i32, i64>,
    pub alerted: Vec<i32>,
    /// By the server's clock.
    pub lease_expired: bool,
    pub owed: Owed,
    /// Sums as the job's row has them.
    pub stored_chunks: u64,
    pub totals: Totals,
}

/// Chunks that a job owes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Owed {
    pub chunks: u64,
    /// Of them, those that a copy is on its way of.
    pub sent: u64,
    /// Of them, those that killed their workers.
    pub quarantined: u64,
}

impl Owed {
    /// To be sent again once their target takes records.
    pub fn to_send(self) -> u64 {
        self.chunks - self.sent - self.quarantined
    }
}

#[derive(FromRow)]
struct Row {
    job_id: i64,
    feed: String,
    feed_version: i32,
    cutter_version: i32,
    state: String,
    reason: Option<String>,
    chunks: Option<i32>,
    stated_records: Option<i64>,
    topic: Option<String>,
    last_offsets: Option<Json<BTreeMap<i32, i64>>>,
    copied_offsets: Option<Json<BTreeMap<i32, i64>>>,
    lane: String,
    alerted: Vec<i32>,
    lease_expired: bool,
    owed: i64,
    owed_sent: i64,
    quarantined: i64,
    chunks_loaded: i32,
    sum_chunks: i64,
    sum_end: i64,
    sum_records: i64,
    sum_loaded: i64,
    sum_rejected: i64,
    sum_bytes: i64,
    sum_blanks: i64,
}

type Offsets = Option<Json<BTreeMap<i32, i64>>>;

fn latest(published: Offsets, copied: Offsets) -> BTreeMap<i32, i64> {
    let mut latest = published.map(|offsets| offsets.0).unwrap_or_default();
    for (partition, offset) in copied.map(|offsets| offsets.0).unwrap_or_default() {
        let last = latest.entry(partition).or_insert(offset);
        *last = offset.max(*last);
    }
    latest
}

/// Every live job, oldest first; or the one that is asked for.
pub(super) async fn read(connection: &mut PgConnection, only: Option<JobId>) -> Result<Vec<LiveJob>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select j.job_id, feed, feed_version, cutter_version, state, reason, chunks, j.records as stated_records, topic, last_offsets,
                copied_offsets, lane, alerted, coalesce(lease_until < clock_timestamp(), true) as lease_expired, o.*,
                chunks_loaded, l.*
           from fabric.jobs j
          cross join lateral (
                select count(*) as sum_chunks, coalesce(max(seq) + 1, 0)::bigint as sum_end,
                       coalesce(sum(records), 0)::bigint as sum_records, coalesce(sum(loaded), 0)::bigint as sum_loaded,
                       coalesce(sum(rejected), 0)::bigint as sum_rejected, coalesce(sum(span), 0)::bigint as sum_bytes,
                       coalesce(sum(blanks), 0)::bigint as sum_blanks
                  from fabric.chunk_ledger l where l.job_id = j.job_id) l
          cross join lateral (
                select count(*) as owed, count(*) filter (where cause = 'target' and sent_at is not null) as owed_sent,
                       count(*) filter (where cause = 'worker') as quarantined
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
            cut_by: CutBy::of_version(row.cutter_version),
            state: read_state(row.state)?,
            reason: row.reason,
            stated,
            topic: row.topic,
            lane: Lane::parse(&row.lane)
                .ok_or_else(|| sqlx::Error::Decode(format!("there is no lane {}", row.lane).into()))?,
            last_offsets: latest(row.last_offsets, row.copied_offsets),
            alerted: row.alerted,
            lease_expired: row.lease_expired,
            owed: Owed {
                chunks: row.owed.cast_unsigned(),
                sent: row.owed_sent.cast_unsigned(),
                quarantined: row.quarantined.cast_unsigned(),
            },
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
