//! Target tables: made from a feed's fields, or checked against them.

use sqlx::PgConnection;

use crate::feed::Feed;
use crate::settings::LoadSettings;

/// Why a target cannot take a feed, and the SQL that mends it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{0}")]
    Unfit(String),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Makes the feed's target where it is missing, else checks it. Safe to call at once from many processes.
pub async fn ensure_target(connection: &mut PgConnection, feed: &Feed, load: &LoadSettings) -> Result<(), TargetError> {
    let _ = (connection, feed, load);
    todo!()
}
