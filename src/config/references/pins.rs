//! What a new job pins of the reference sets that its feed's rules look up.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection};

use super::{ReferenceError, no_set};
use crate::config::{ConfigError, ReferencePins};
use crate::feed::Feed;
use crate::rules::{check_columns, sets_of};

/// Refuses a feed that is about to become active and that no job could be registered for. What it looks up stays as it
/// is until the transaction ends.
pub(crate) async fn require(connection: &mut PgConnection, feed: &Feed) -> Result<(), ConfigError> {
    match pin(connection, feed).await {
        Ok(_) => Ok(()),
        Err(ReferenceError::Postgres(error)) => Err(error.into()),
        Err(error) => Err(ConfigError::LooksUp { feed: feed.name.to_string(), error: Box::new(error) }),
    }
}

/// The active version of each set, locked against a change until the transaction ends: the job pins what is active
/// when it is registered. An error where a set is not there, is retired, or its columns do not fit the feed's rules.
pub(crate) async fn pin(connection: &mut PgConnection, feed: &Feed) -> Result<ReferencePins, ReferenceError> {
    #[derive(FromRow)]
    struct Row {
        reference: String,
        active_version: i32,
        columns: Vec<String>,
        retired: bool,
        changed_by: String,
    }
    let names = sets_of(feed);
    if names.is_empty() {
        return Ok(ReferencePins::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select r.reference, r.active_version, v.columns, r.retired_at is not null as retired, r.changed_by
           from fabric.reference_sets r
           join fabric.reference_versions v on (v.reference, v.version) = (r.reference, r.active_version)
          where r.reference = any($1) order by r.reference for share of r",
    )
    .bind(&names)
    .fetch_all(&mut *connection)
    .await?;
    for name in names {
        match rows.iter().find(|row| row.reference == name) {
            None => return Err(no_set(connection, name).await?),
            Some(row) if row.retired => {
                let (name, by, version) = (name.to_owned(), row.changed_by.clone(), row.active_version);
                return Err(ReferenceError::Retired { name, by, version });
            }
            Some(_) => {}
        }
    }
    let columns: BTreeMap<&str, &[String]> =
        rows.iter().map(|row| (row.reference.as_str(), row.columns.as_slice())).collect();
    check_columns(feed, |name| columns.get(name).copied())?;
    Ok(rows.into_iter().map(|row| (row.reference, row.active_version)).collect())
}
