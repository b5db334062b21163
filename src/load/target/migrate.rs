//! Brings a target to what a new version of its feed needs.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{TargetError, check, ensure_target};
use crate::feed::Feed;
use crate::settings::LoadSettings;

/// What may be done to a target that lacks columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetChange {
    /// Nothing: what would mend it is told.
    #[default]
    Propose,
    /// Columns that it lacks are added.
    Migrate,
}

/// Loads of the feed hold the table only for an instant; whoever holds it for longer is not waited for.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '5s'";

/// Makes the target where it is missing, and checks it; before that, with [`TargetChange::Migrate`], adds the columns that
/// it lacks. Answers the statements that did so. They may hold nulls: rows that are there have no values for them.
pub async fn prepare_target(
    connection: &mut PgConnection,
    feed: &Feed,
    load: &LoadSettings,
    change: TargetChange,
) -> Result<Vec<String>, TargetError> {
    let mut statements = Vec::new();
    if change == TargetChange::Migrate && load.target_schemas.contains(&feed.target.schema) {
        let mut transaction = connection.begin().await?;
        if let Some(table) = check::find(&mut transaction, &feed.target).await? {
            statements = check::missing_columns(&mut transaction, feed, &table).await?;
        }
        if !statements.is_empty() {
            sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut *transaction).await?;
        }
        for statement in &statements {
            sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    match ensure_target(connection, feed, load).await {
        Err(TargetError::Unfit(reasons)) if change == TargetChange::Propose && reasons.contains("add column") => {
            let hint = "--migrate-target adds the columns that are missing";
            Err(TargetError::Unfit(format!("{reasons}\n{hint}")))
        }
        ensured => ensured.map(|()| statements),
    }
}
