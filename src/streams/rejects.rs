//! A stream's rejects, newest first.

use jiff::Timestamp;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};

use crate::jobs::RejectReason;

/// A message that is no row, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReject {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// That judged it.
    pub feed_version: i32,
    pub rejected_at: Timestamp,
    /// Bytes in the topic; more than `source` holds where only the first ones were kept.
    pub length: i64,
    pub source: Vec<u8>,
    pub reasons: Vec<RejectReason>,
}

/// At most `limit` of the last; with `rule` only those that broke it.
pub async fn rejects(
    pool: &PgPool,
    feed: &str,
    rule: Option<&str>,
    limit: u32,
) -> Result<Vec<StreamReject>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        topic: String,
        partition: i32,
        offset: i64,
        feed_version: i32,
        rejected_at: i64,
        byte_length: i64,
        source: Option<Vec<u8>>,
        reasons: Json<Vec<RejectReason>>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        r#"select topic, partition, "offset", feed_version, byte_length, source, reasons,
                  (extract(epoch from rejected_at) * 1000000)::bigint as rejected_at
             from fabric.stream_rejects
            where feed = $1 and ($2::text is null or reasons @> jsonb_build_array(jsonb_build_object('rule', $2)))
            order by stream_rejects.rejected_at desc, topic, partition, "offset" desc limit $3"#,
    )
    .bind(feed)
    .bind(rule)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let reject = |row: Row| StreamReject {
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
        feed_version: row.feed_version,
        rejected_at: Timestamp::from_microsecond(row.rejected_at).unwrap_or(Timestamp::UNIX_EPOCH),
        length: row.byte_length,
        source: row.source.unwrap_or_default(),
        reasons: row.reasons.0,
    };
    Ok(rows.into_iter().map(reject).collect())
}
