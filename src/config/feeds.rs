//! Versions of feed definitions.

use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};

use super::change::{Action, Kind, set_active};
use crate::feed::{self, Faults, Feed, FeedName};
use crate::load::ensure_target;
use crate::settings::LoadSettings;

/// One immutable version.
pub struct FeedVersion {
    pub feed: Feed,
    pub version: i32,
    /// The YAML as it was applied.
    pub document: String,
}

/// What applying a definition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    New {
        version: i32,
    },
    /// The same document is the same version.
    Unchanged {
        version: i32,
    },
}

#[derive(Debug, Clone)]
pub struct FeedSummary {
    pub feed: String,
    pub active_version: i32,
    pub target: String,
    pub applied_by: String,
    pub applied_at: jiff::Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error("{0}")]
    Target(#[from] crate::load::TargetError),
    #[error("there is no feed {name}; {hint}")]
    NoFeed { name: String, hint: String },
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Checks the definition, makes or checks its target, stores it as a version and makes that the active one. Applying a
/// document of old makes its version the active one again.
pub async fn apply_feed(
    pool: &PgPool,
    source_name: &str,
    document: &str,
    load: &LoadSettings,
) -> Result<(FeedName, Applied), ConfigError> {
    let feed = feed::parse(source_name, document)?;
    let mut connection = pool.acquire().await?;
    let applied = apply_parsed(&mut connection, &feed, document, load).await?;
    Ok((feed.name, applied))
}

/// One transaction: a version never stands without its target, and appliers of one feed come one after another.
async fn apply_parsed(
    connection: &mut PgConnection,
    feed: &Feed,
    document: &str,
    load: &LoadSettings,
) -> Result<Applied, ConfigError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("fabric feed {}", feed.name))
        .execute(&mut *transaction)
        .await?;
    ensure_target(&mut transaction, feed, load).await?;
    let applied = store_version(&mut transaction, feed.name.as_str(), document).await?;
    let (version, action) = match applied {
        Applied::New { version } => (version, Action::Apply),
        Applied::Unchanged { version } => (version, Action::Activate),
    };
    set_active(&mut transaction, Kind::Feed, feed.name.as_str(), version, action, None).await?;
    transaction.commit().await?;
    Ok(applied)
}

async fn store_version(connection: &mut PgConnection, feed: &str, document: &str) -> Result<Applied, sqlx::Error> {
    let sha256 = Sha256::digest(document);
    let known: Option<i32> =
        sqlx::query_scalar("select version from fabric.feed_versions where feed = $1 and sha256 = $2")
            .bind(feed)
            .bind(&sha256[..])
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(version) = known {
        return Ok(Applied::Unchanged { version });
    }
    let version = sqlx::query_scalar(
        "insert into fabric.feed_versions (feed, version, document, sha256)
         select $1, coalesce(max(version), 0) + 1, $2, $3 from fabric.feed_versions where feed = $1
         returning version",
    )
    .bind(feed)
    .bind(document)
    .bind(&sha256[..])
    .fetch_one(connection)
    .await?;
    Ok(Applied::New { version })
}

/// The active version of a feed.
pub async fn active_feed(pool: &PgPool, name: &str) -> Result<FeedVersion, ConfigError> {
    let row: Option<(i32, String)> = sqlx::query_as(
        "select version, document from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          where f.feed = $1",
    )
    .bind(name)
    .fetch_optional(pool)
    .await?;
    match row {
        Some((version, document)) => compile(name, version, document),
        None => Err(no_feed(pool, name).await?),
    }
}

/// One version of a feed.
pub async fn feed_version(pool: &PgPool, name: &str, version: i32) -> Result<FeedVersion, ConfigError> {
    let document: Option<String> =
        sqlx::query_scalar("select document from fabric.feed_versions where feed = $1 and version = $2")
            .bind(name)
            .bind(version)
            .fetch_optional(pool)
            .await?;
    if let Some(document) = document {
        return compile(name, version, document);
    }
    let newest: Option<i32> = sqlx::query_scalar("select max(version) from fabric.feed_versions where feed = $1")
        .bind(name)
        .fetch_one(pool)
        .await?;
    Err(match newest {
        Some(newest) => {
            ConfigError::NoFeed { name: format!("{name} v{version}"), hint: format!("its newest version is {newest}") }
        }
        None => no_feed(pool, name).await?,
    })
}

fn compile(name: &str, version: i32, document: String) -> Result<FeedVersion, ConfigError> {
    let feed = feed::parse(&format!("feed {name} v{version}"), &document)?;
    Ok(FeedVersion { feed, version, document })
}

async fn no_feed(pool: &PgPool, name: &str) -> Result<ConfigError, sqlx::Error> {
    let mut known: Vec<String> = sqlx::query_scalar("select feed from fabric.feeds").fetch_all(pool).await?;
    Ok(ConfigError::NoFeed { name: name.to_owned(), hint: nearest(name, &mut known) })
}

/// What to say to somebody who named a feed that is not there.
fn nearest(name: &str, known: &mut Vec<String>) -> String {
    let likeness = |other: &String| strsim::jaro_winkler(name, other);
    known.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then_with(|| a.cmp(b)));
    known.truncate(5);
    match known.first() {
        None => "none has been applied yet: `fabric feeds apply FILE`".into(),
        // 0.8: a letter or two wrong, a word left out.
        Some(first) if likeness(first) >= 0.8 => format!("did you mean {first}?"),
        Some(_) => format!("feeds are {}", known.join(", ")),
    }
}

/// Every feed, by name.
pub async fn list_feeds(pool: &PgPool) -> Result<Vec<FeedSummary>, ConfigError> {
    let rows = sqlx::query(
        "select f.feed, f.active_version, v.document, v.applied_by,
                (extract(epoch from v.applied_at) * 1000000)::bigint
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
                applied_at: jiff::Timestamp::from_microsecond(row.get(4))
                    .expect("a time of Postgres of this era is one of jiff"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_feed_is_met_with_the_nearest() {
        let mut known = vec!["equities".to_owned(), "card-transactions".to_owned()];
        assert_eq!(nearest("card-transaction", &mut known), "did you mean card-transactions?");
        assert_eq!(nearest("zzz", &mut known), "feeds are card-transactions, equities");
        assert_eq!(nearest("zzz", &mut vec![]), "none has been applied yet: `fabric feeds apply FILE`");
    }
}
