//! The audit log, as people ask for it.

use jiff::Timestamp;
use sqlx::{FromRow, PgPool};

use super::versions::timestamp;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub who: String,
    /// `apply`, `draft`, `approve`, `activate`, `rollback`, `retire`, `cancel`, `resume`
    pub action: String,
    /// `feed`, `template`, `reference`, `job`
    pub kind: String,
    pub name: String,
    /// Versions.
    pub before: Option<i32>,
    pub after: Option<i32>,
    pub message: Option<String>,
}

/// What is asked of the log; `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub kind: Option<String>,
    pub name: Option<String>,
    pub who: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// At most this many.
    pub limit: u32,
}

/// The entries that fit, newest first.
pub async fn audit_log(pool: &PgPool, query: &AuditQuery) -> Result<Vec<AuditEntry>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        at: i64,
        who: String,
        action: String,
        kind: String,
        name: String,
        before: Option<i32>,
        after: Option<i32>,
        message: Option<String>,
    }
    let microseconds = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    let rows: Vec<Row> = sqlx::query_as(
        "select (extract(epoch from at) * 1000000)::bigint as at, who, action, kind, name, before, after, message
           from fabric.audit_log
          where ($1::text is null or kind = $1) and ($2::text is null or name = $2) and ($3::text is null or who = $3)
            and ($4::bigint is null or at >= to_timestamp($4 / 1e6))
            and ($5::bigint is null or at < to_timestamp($5 / 1e6))
          order by audit_id desc limit $6",
    )
    .bind(&query.kind)
    .bind(&query.name)
    .bind(&query.who)
    .bind(microseconds(query.since))
    .bind(microseconds(query.until))
    .bind(i64::from(query.limit))
    .fetch_all(pool)
    .await?;
    let entry = |row: Row| AuditEntry {
        at: timestamp(row.at),
        who: row.who,
        action: row.action,
        kind: row.kind,
        name: row.name,
        before: row.before,
        after: row.after,
        message: row.message,
    };
    Ok(rows.into_iter().map(entry).collect())
}
