//! Target tables: made from a feed's fields, or checked against them.

mod check;
mod create;
mod migrate;
mod probe;

use sqlx::{Connection as _, PgConnection};

pub use migrate::{TargetChange, prepare_target};
pub use probe::probe_target;

use super::sql;
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
    let target = &feed.target;
    if target.schema == "fabric" || !load.target_schemas.contains(&target.schema) {
        return Err(TargetError::Unfit(format!(
            "schema {} is not one that targets may live in ({}): add it to the setting load.target_schemas, or name \
             another under `target:`",
            target.schema,
            load.target_schemas.join(", ")
        )));
    }
    // Nearly always it is there, whole: no lock, which files that are registered at once would wait for.
    if let Some(table) = check::find(connection, target).await? {
        return check::check(connection, feed, &table).await;
    }
    let mut transaction = connection.begin().await?;
    // One process makes the table; the others wait here and then find it.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("fabric target {}", sql::table(target)))
        .execute(&mut *transaction)
        .await?;
    require_schema(&mut transaction, &target.schema).await?;
    match check::find(&mut transaction, target).await? {
        None => create::create(&mut transaction, feed).await?,
        Some(table) => check::check(&mut transaction, feed, &table).await?,
    }
    transaction.commit().await?;
    Ok(())
}

/// Whether the feed's target is there, takes the feed's records, and this role may insert into it. Changes nothing.
pub async fn check_target(connection: &mut PgConnection, feed: &Feed) -> Result<(), TargetError> {
    let name = sql::table(&feed.target);
    let Some(table) = check::find(connection, &feed.target).await? else {
        return Err(TargetError::Unfit(format!(
            "{name} is not there: put it back, or let `fabric feeds apply` make it from the feed's definition"
        )));
    };
    check::check(connection, feed, &table).await?;
    check::may_insert(connection, &feed.target, &table).await
}

async fn require_schema(connection: &mut PgConnection, schema: &str) -> Result<(), TargetError> {
    let exists: bool = sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
        .bind(schema)
        .fetch_one(connection)
        .await?;
    if exists {
        return Ok(());
    }
    Err(TargetError::Unfit(format!("there is no schema {schema}; make it: create schema {}", sql::ident(schema))))
}

/// The column names of a declared key.
fn key_names<'f>(feed: &'f Feed, key: &[usize]) -> Vec<&'f str> {
    key.iter().map(|&index| feed.fields[index].name.as_str()).collect()
}

/// `TABLE_SUFFIX` within the 63 bytes of a name; a longer one is cut and told apart by a checksum.
fn derived_name(table: &str, suffix: &str) -> String {
    let name = format!("{table}_{suffix}");
    if name.len() <= 63 {
        return name;
    }
    // Names of tables and fields are ASCII, so any byte is a border.
    format!("{}_{:08x}", &name[..54], crc32c::crc32c(name.as_bytes()))
}

fn primary_key_name(feed: &Feed) -> String {
    derived_name(&feed.target.table, "pkey")
}

fn unique_key_name(feed: &Feed, key: &[usize]) -> String {
    derived_name(&feed.target.table, &format!("{}_key", key_names(feed, key).join("_")))
}

#[cfg(test)]
mod tests {
    use super::derived_name;

    #[test]
    fn a_derived_name_fits_and_stays_distinct() {
        assert_eq!(derived_name("cards", "pkey"), "cards_pkey");
        let (one, other) = (derived_name(&"t".repeat(63), "a_key"), derived_name(&"t".repeat(63), "b_key"));
        assert_eq!((one.len(), other.len()), (63, 63));
        assert_ne!(one, other);
    }
}
