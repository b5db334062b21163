//! What users edit: versions, templates, approval, reference sets, the audit log; and how every process hears of it.

mod approval;
mod audit;
mod follow;
pub mod following;
mod forged;
mod healing;
mod model;
mod racing;
pub mod redis;
mod references;
mod stale;
mod templates;
mod topic;
mod versions;
mod witness;

use fabric::config::{self, Applied, ConfigError, Edit, Edited};
use fabric::settings::{LoadSettings, Settings};

use crate::database::Database;

/// A feed into `public.cards`, with this least amount.
pub fn cards(minimum: u32) -> String {
    format!(
        "feed: cards\nlayout: {{ format: delimited }}\nfields:\n  - {{ name: id, type: string }}\n  - {{ name: amount, \
         type: integer, minimum: {minimum} }}\n"
    )
}

pub fn load() -> LoadSettings {
    Settings::default().load
}

/// Applies a feed as an edit.
pub async fn edit(database: &Database, document: &str, edit: Edit<'_>) -> Result<Edited, ConfigError> {
    config::edit_feed(&database.pool, "cards.yaml", document, &edit, &load()).await
}

/// Applies a feed; answers its version.
pub async fn apply(database: &Database, document: &str) -> i32 {
    edit(database, document, Edit::default()).await.unwrap().applied.version()
}

pub async fn active(database: &Database, feed: &str) -> i32 {
    config::active_feed(&database.pool, feed).await.unwrap().version
}

pub fn is_new(edited: &Edited, version: i32) -> bool {
    edited.applied == Applied::New { version }
}
