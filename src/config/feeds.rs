//! Versions of feed definitions.

use sqlx::{PgConnection, PgPool, Row as _};

use super::change::Kind;
use super::error::ConfigError;
use super::versions::{self, Pointer};
use crate::feed::{self, Feed};

/// One immutable version.
pub struct FeedVersion {
    pub feed: Feed,
    pub version: i32,
    /// The YAML as it was applied.
    pub document: String,
    /// With its templates merged in; `None` where it extends none.
    pub resolved: Option<String>,
}

#[derive(Debug, Clone)]
pub struct FeedSummary {
    pub feed: String,
    pub active_version: i32,
    pub target: String,
    pub applied_by: String,
    pub applied_at: jiff::Timestamp,
    /// It takes no new jobs.
    pub retired: bool,
    /// Greater than the active one where a version waits, or where an earlier one was gone back to.
    pub newest_version: i32,
}

/// The active version of a feed, for a new job: a retired feed has none.
pub async fn active_feed(pool: &PgPool, name: &str) -> Result<FeedVersion, ConfigError> {
    let mut connection = pool.acquire().await?;
    let pointer = pointer(&mut connection, name).await?;
    let version = pointer.active_version;
    if pointer.retired {
        let (name, by) = (name.to_owned(), pointer.changed_by);
        return Err(ConfigError::Retired { kind: Kind::Feed, name, version, by });
    }
    stored_version(&mut connection, name, version).await
}

/// The active version of a feed, or the one with which it was retired.
pub async fn current_feed(pool: &PgPool, name: &str) -> Result<FeedVersion, ConfigError> {
    let mut connection = pool.acquire().await?;
    let version = pointer(&mut connection, name).await?.active_version;
    stored_version(&mut connection, name, version).await
}

async fn pointer(connection: &mut PgConnection, name: &str) -> Result<Pointer, ConfigError> {
    match versions::pointer(connection, Kind::Feed, name).await? {
        Some(pointer) => Ok(pointer),
        None => Err(no_active(connection, name).await?),
    }
}

/// A feed may have versions, none of which was ever made the active one.
async fn no_active(connection: &mut PgConnection, name: &str) -> Result<ConfigError, ConfigError> {
    let newest: Option<i32> = sqlx::query_scalar("select max(version) from fabric.feed_versions where feed = $1")
        .bind(name)
        .fetch_one(&mut *connection)
        .await?;
    Ok(match newest {
        None => versions::unknown(connection, Kind::Feed, name).await?,
        Some(newest) => ConfigError::NoFeed {
            name: format!("{name} that is active"),
            hint: format!("v{newest} waits for `fabric feeds activate {name} {newest}`"),
        },
    })
}

/// One version of a feed.
pub async fn feed_version(pool: &PgPool, name: &str, version: i32) -> Result<FeedVersion, ConfigError> {
    let mut connection = pool.acquire().await?;
    stored_version(&mut connection, name, version).await
}

pub(super) async fn stored_version(
    connection: &mut PgConnection,
    name: &str,
    version: i32,
) -> Result<FeedVersion, ConfigError> {
    let stored: Option<(String, Option<String>)> =
        sqlx::query_as("select document, resolved from fabric.feed_versions where feed = $1 and version = $2")
            .bind(name)
            .bind(version)
            .fetch_optional(&mut *connection)
            .await?;
    match stored {
        Some((document, resolved)) => compile(name, version, document, resolved),
        None => Err(versions::unknown_version(connection, Kind::Feed, name, version).await?),
    }
}

fn compile(name: &str, version: i32, document: String, resolved: Option<String>) -> Result<FeedVersion, ConfigError> {
    let feed = feed::parse(&format!("feed {name} v{version}"), resolved.as_deref().unwrap_or(&document))?;
    Ok(FeedVersion { feed, version, document, resolved })
}

/// Every feed, by name.
pub async fn list_feeds(pool: &PgPool) -> Result<Vec<FeedSummary>, ConfigError> {
    let rows = sqlx::query(
        "select f.feed, f.active_version, coalesce(v.resolved, v.document), v.applied_by,
                (extract(epoch from v.applied_at) * 1000000)::bigint, f.retired_at is not null,
                (select max(n.version) from fabric.feed_versions n where n.feed = f.feed)
           from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          order by f.feed",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let (name, version): (String, i32) = (row.get(0), row.get(1));
            let feed = feed::parse(&format!("feed {name} v{version}"), row.get(2))?;
            Ok(FeedSummary {
                target: format!("{}.{}", feed.target.schema, feed.target.table),
                feed: name,
                active_version: version,
                applied_by: row.get(3),
                applied_at: versions::timestamp(row.get(4)),
                retired: row.get(5),
                newest_version: row.get(6),
            })
        })
        .collect()
}
