//! Versions of feed definitions.

use sqlx::PgPool;

use crate::feed::{Faults, Feed, FeedName};
use crate::rules::Plan;
use crate::settings::LoadSettings;

/// One immutable version, compiled.
pub struct FeedVersion {
    pub feed: Feed,
    pub version: i32,
    /// The YAML as it was applied.
    pub document: String,
    pub plan: Plan,
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

/// Checks the definition, makes or checks its target, stores it as a version and makes that the active one.
pub async fn apply_feed(
    pool: &PgPool,
    source_name: &str,
    document: &str,
    load: &LoadSettings,
) -> Result<(FeedName, Applied), ConfigError> {
    let _ = (pool, source_name, document, load);
    todo!()
}

/// The active version of a feed.
pub async fn active_feed(pool: &PgPool, name: &str) -> Result<FeedVersion, ConfigError> {
    let _ = (pool, name);
    todo!()
}

/// One version of a feed.
pub async fn feed_version(pool: &PgPool, name: &str, version: i32) -> Result<FeedVersion, ConfigError> {
    let _ = (pool, name, version);
    todo!()
}

pub async fn list_feeds(pool: &PgPool) -> Result<Vec<FeedSummary>, ConfigError> {
    let _ = pool;
    todo!()
}
