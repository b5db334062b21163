//! Which version is the active one: activated, gone back to, retired.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::change::{Action, Kind, set_active};
use super::error::ConfigError;
use super::feeds;
use super::references;
use super::templates::{self, Propagate, Touched};
use super::versions;
use crate::load::{self, TargetChange};
use crate::settings::LoadSettings;

/// How a change of the active version is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'c> {
    /// Why, for the audit log.
    pub message: Option<&'c str>,
    pub target: TargetChange,
    /// Of a template: what becomes of the feeds that extend it.
    pub propagate: Propagate,
}

/// What a change did.
#[derive(Debug)]
pub struct Activated {
    pub version: i32,
    /// The version that was active before; `None` where none was.
    pub before: Option<i32>,
    /// Statements that changed the target, with [`TargetChange::Migrate`].
    pub migrated: Vec<String>,
    /// Of a template: the feeds that it changes.
    pub touched: Vec<Touched>,
}

/// Makes a version the active one, after the checks of the whole. Activating what is active changes nothing.
pub async fn activate(
    pool: &PgPool,
    kind: Kind,
    name: &str,
    version: i32,
    change: &Change<'_>,
    load: &LoadSettings,
) -> Result<Activated, ConfigError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    versions::lock_edits(&mut transaction).await?;
    let activated = make_active(&mut transaction, kind, name, version, Action::Activate, change, load).await?;
    transaction.commit().await?;
    Ok(activated)
}

/// Goes back to `to`, or to the version that was active before.
pub async fn roll_back(
    pool: &PgPool,
    kind: Kind,
    name: &str,
    to: Option<i32>,
    change: &Change<'_>,
    load: &LoadSettings,
) -> Result<Activated, ConfigError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    versions::lock_edits(&mut transaction).await?;
    let pointer = versions::require_pointer(&mut transaction, kind, name).await?;
    let to = match to {
        Some(to) => to,
        None => versions::active_before(&mut transaction, kind, name, pointer.active_version).await?,
    };
    let activated = make_active(&mut transaction, kind, name, to, Action::Rollback, change, load).await?;
    transaction.commit().await?;
    Ok(activated)
}

async fn make_active(
    transaction: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
    action: Action,
    change: &Change<'_>,
    load: &LoadSettings,
) -> Result<Activated, ConfigError> {
    versions::require(transaction, kind, name, version).await?;
    let before = versions::pointer(transaction, kind, name).await?.map(|pointer| pointer.active_version);
    let mut migrated = Vec::new();
    if kind == Kind::Feed {
        let feed = feeds::stored_version(transaction, name, version).await?.feed;
        references::require(transaction, &feed).await?;
        migrated = load::prepare_target(transaction, &feed, load, change.target).await?;
        approve(transaction, name, version, change.message).await?;
    }
    let mut touched = Vec::new();
    if kind == Kind::Template {
        templates::require_sound(transaction, name, version).await?;
    }
    set_active(transaction, kind, name, version, action, change.message).await?;
    if kind == Kind::Template {
        let document = versions::document(transaction, kind, name, version).await?.unwrap_or_default();
        touched = templates::touch(transaction, name, (version, &document), change, load).await?;
    }
    Ok(Activated { version, before, migrated, touched })
}

/// Whether a version of a feed may only be activated by somebody other than its author, and has not been so far.
pub(super) async fn awaits_approval(
    connection: &mut PgConnection,
    feed: &str,
    version: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select fabric.awaits_approval($1, $2)").bind(feed).bind(version).fetch_one(connection).await
}

/// Approves a version that waits for that, in the name of whoever is logged in.
async fn approve(
    transaction: &mut PgConnection,
    feed: &str,
    version: i32,
    message: Option<&str>,
) -> Result<(), ConfigError> {
    if !awaits_approval(transaction, feed, version).await? {
        return Ok(());
    }
    let approved = sqlx::query("select fabric.approve_feed($1, $2, $3)")
        .bind(feed)
        .bind(version)
        .bind(message)
        .execute(&mut *transaction)
        .await;
    match approved {
        Ok(_) => Ok(()),
        // Of the function: the author is logged in.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("FB001") => {
            let user = error.message().rsplit(' ').next().unwrap_or_default().to_owned();
            Err(ConfigError::OwnApproval { name: feed.to_owned(), version, author: user })
        }
        Err(error) => Err(error.into()),
    }
}

/// Retires a thing: nothing new begins with it, what has begun goes on. Answers the version that it ends with.
pub async fn retire(pool: &PgPool, kind: Kind, name: &str, message: Option<&str>) -> Result<i32, ConfigError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    versions::lock_edits(&mut transaction).await?;
    let pointer = versions::require_pointer(&mut transaction, kind, name).await?;
    if kind == Kind::Template {
        templates::require_unextended(&mut transaction, name).await?;
    }
    set_active(&mut transaction, kind, name, pointer.active_version, Action::Retire, message).await?;
    transaction.commit().await?;
    Ok(pointer.active_version)
}

/// Every version of a thing, newest first.
pub async fn history(pool: &PgPool, kind: Kind, name: &str) -> Result<Vec<versions::VersionSummary>, ConfigError> {
    versions::summaries(&mut *pool.acquire().await?, kind, name).await
}

/// Which two versions to compare, and how.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The version before the other where it is not given.
    pub from: Option<i32>,
    /// The active version where it is not given.
    pub to: Option<i32>,
}

/// What differs between two versions of a thing, as a unified diff; `None` where their documents are the same and so are
/// the templates that went into them.
pub async fn compare(
    pool: &PgPool,
    kind: Kind,
    name: &str,
    comparison: Comparison,
) -> Result<Option<String>, ConfigError> {
    let mut connection = pool.acquire().await?;
    let to = match comparison.to {
        Some(to) => to,
        None => versions::require_pointer(&mut connection, kind, name).await?.active_version,
    };
    let from = match comparison.from {
        Some(from) => from,
        None => versions::active_before(&mut connection, kind, name, to).await?,
    };
    let mut texts = Vec::new();
    for version in [from, to] {
        match versions::texts(&mut connection, kind, name, version).await? {
            Some(text) => texts.push(text),
            None => return Err(versions::unknown_version(&mut connection, kind, name, version).await?),
        }
    }
    let [from, to] = [from, to].map(|version| format!("{name} v{version}"));
    Ok(versions::differing((&from, &texts[0]), (&to, &texts[1])))
}
