//! Which version of a set is the active one.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::{Active, ReferenceError, active, lock, no_set, no_version};
use crate::config::change::{Action, Kind, set_active};
use crate::feed;
use crate::feed::Feed;
use crate::rules::{check_set, sets_of};

/// Makes a version the active one, and takes a retired set back. Answers the version that was active before.
pub async fn activate(pool: &PgPool, name: &str, version: i32, message: Option<&str>) -> Result<i32, ReferenceError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let before = locked(&mut transaction, name).await?;
    make(&mut transaction, name, version, Action::Activate, message).await?;
    transaction.commit().await?;
    Ok(before.version)
}

/// Makes an earlier version the active one: `to`, or the one before the active one. Answers both: before and now.
pub async fn rollback(
    pool: &PgPool,
    name: &str,
    to: Option<i32>,
    message: Option<&str>,
) -> Result<(i32, i32), ReferenceError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let before = locked(&mut transaction, name).await?.version;
    let earlier: Option<i32> = sqlx::query_scalar(
        "select max(version) from fabric.reference_versions
          where reference = $1 and version < $2 and ($3::integer is null or version = $3)",
    )
    .bind(name)
    .bind(before)
    .bind(to)
    .fetch_one(&mut *transaction)
    .await?;
    let Some(version) = earlier else {
        let (name, version) = (name.to_owned(), to.unwrap_or(before - 1));
        let hint = format!("v{before} is active, and a rollback goes to a version before it");
        return Err(ReferenceError::NoVersion { name, version, hint });
    };
    make(&mut transaction, name, version, Action::Rollback, message).await?;
    transaction.commit().await?;
    Ok((before, version))
}

/// No new job may look the set up; jobs that pin a version of it go on. Refused where the active version of a feed looks
/// it up.
pub async fn retire(pool: &PgPool, name: &str, message: Option<&str>) -> Result<(), ReferenceError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let before = locked(&mut transaction, name).await?;
    hold(&mut transaction, name).await?;
    let feeds = feeds_that_look_up(&mut transaction, name).await?;
    if !feeds.is_empty() {
        return Err(ReferenceError::InUse { name: name.to_owned(), feeds: feeds.join(", ") });
    }
    set_active(&mut transaction, Kind::Reference, name, before.version, Action::Retire, message).await?;
    transaction.commit().await?;
    Ok(())
}

async fn locked(connection: &mut PgConnection, name: &str) -> Result<Active, ReferenceError> {
    lock(connection, name).await?;
    match active(connection, name).await? {
        Some(active) => Ok(active),
        None => Err(no_set(connection, name).await?),
    }
}

/// Whoever pins the set, for a job or for a feed that becomes active, waits until the transaction ends; whoever has done
/// so is waited for, so that what the next statement sees of feeds is what there is.
async fn hold(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select from fabric.reference_sets where reference = $1 for update")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

async fn make(
    connection: &mut PgConnection,
    name: &str,
    version: i32,
    action: Action,
    message: Option<&str>,
) -> Result<(), ReferenceError> {
    let columns: Option<Vec<String>> =
        sqlx::query_scalar("select columns from fabric.reference_versions where reference = $1 and version = $2")
            .bind(name)
            .bind(version)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(columns) = columns else { return Err(no_version(connection, name, version).await?) };
    check_feeds(connection, name, &columns).await?;
    Ok(set_active(connection, Kind::Reference, name, version, action, message).await?)
}

/// Refuses columns that the rules of an active feed do not fit: no job of it could be registered. No feed becomes active
/// meanwhile that looks the set up.
pub(super) async fn check_feeds(
    connection: &mut PgConnection,
    set: &str,
    columns: &[String],
) -> Result<(), ReferenceError> {
    hold(connection, set).await?;
    for feed in active_feeds(connection, set).await? {
        check_set(&feed, set, columns)
            .map_err(|fault| ReferenceError::MisfitsFeed { feed: feed.name.to_string(), fault })?;
    }
    Ok(())
}

/// The names of feeds whose active versions look the set up, in order.
pub(super) async fn feeds_that_look_up(
    connection: &mut PgConnection,
    set: &str,
) -> Result<Vec<String>, ReferenceError> {
    Ok(active_feeds(connection, set).await?.iter().map(|feed| feed.name.to_string()).collect())
}

/// Feeds that are not retired, by their active versions.
async fn active_feeds(connection: &mut PgConnection, set: &str) -> Result<Vec<Feed>, ReferenceError> {
    let active: Vec<(String, i32, String)> = sqlx::query_as(
        "select f.feed, v.version, coalesce(v.resolved, v.document)
           from fabric.feeds f join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          where f.retired_at is null order by f.feed",
    )
    .fetch_all(connection)
    .await?;
    let mut feeds = Vec::new();
    for (name, version, document) in active {
        let feed = feed::parse(&format!("feed {name} v{version}"), &document)?;
        if sets_of(&feed).contains(&set) {
            feeds.push(feed);
        }
    }
    Ok(feeds)
}
