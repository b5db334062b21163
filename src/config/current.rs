//! What is active now, as Postgres says.

use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row as _};

use super::change::Kind;
use super::checksum::Checksum;
use super::event::Thing;

/// Which version of a thing is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub version: i32,
    /// Of two states of one thing the greater is the later one.
    pub revision: i64,
    /// Of what processes read of the version.
    pub checksum: Checksum,
    pub retired: bool,
    /// Microseconds since 1970-01-01T00:00:00Z, by the clock of Postgres.
    pub changed_at: i64,
}

const COLUMNS: &str = "select kind, name, active_version, revision, checksum, retired,
       (extract(epoch from changed_at) * 1000000)::bigint as changed_at from fabric.config_current";

/// Everything.
pub async fn all_active(executor: impl PgExecutor<'_>) -> Result<Vec<(Thing, Active)>, sqlx::Error> {
    // Built of a constant; and so below.
    let rows = sqlx::query(sqlx::AssertSqlSafe(COLUMNS.to_owned())).fetch_all(executor).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// One thing; `None` where there is none of that name.
pub async fn active(executor: impl PgExecutor<'_>, thing: &Thing) -> Result<Option<Active>, sqlx::Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} where kind = $1 and name = $2")))
        .bind(thing.kind.as_str())
        .bind(&thing.name)
        .fetch_optional(executor)
        .await?;
    Ok(row.as_ref().and_then(read).map(|(_, active)| active))
}

/// Some things; those that are not there are left out.
pub async fn some_active(executor: impl PgExecutor<'_>, things: &[Thing]) -> Result<Vec<(Thing, Active)>, sqlx::Error> {
    let kinds: Vec<&str> = things.iter().map(|thing| thing.kind.as_str()).collect();
    let names: Vec<&str> = things.iter().map(|thing| thing.name.as_str()).collect();
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} where (kind, name) in (select * from unnest($1::text[], $2::text[]))"
    )))
    .bind(kinds)
    .bind(names)
    .fetch_all(executor)
    .await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Whether the topic does not have every change yet.
pub(super) async fn is_any_unpublished(executor: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from fabric.outbox where topic = $1)")
        .bind(super::CONFIG_TOPIC)
        .fetch_one(executor)
        .await
}

/// `None`: a kind of a later release.
fn read(row: &PgRow) -> Option<(Thing, Active)> {
    let kind = Kind::parse(row.get("kind"))?;
    let active = Active {
        version: row.get("active_version"),
        revision: row.get("revision"),
        checksum: Checksum::from_bytes(row.get("checksum"))?,
        retired: row.get("retired"),
        changed_at: row.get("changed_at"),
    };
    Some((Thing { kind, name: row.get("name") }, active))
}
