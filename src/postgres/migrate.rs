//! Brings fabric's own tables to what this release needs.

use apache_avro::rabin::Rabin;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, PgPool};

use crate::chunk::ENVELOPE_SCHEMA;
use crate::config::CONFIG_EVENT_SCHEMA;
use crate::jobs::{CLOSED_SCHEMA, EVENT_SCHEMA, OPENED_SCHEMA};

/// Every schema of `schemas/`, by the name of its file.
const SCHEMAS: [(&str, &str); 5] = [
    ("chunk", ENVELOPE_SCHEMA),
    ("config-event", CONFIG_EVENT_SCHEMA),
    ("job-closed", CLOSED_SCHEMA),
    ("job-event", EVENT_SCHEMA),
    ("job-opened", OPENED_SCHEMA),
];

/// Which migrations have run stands beside the tables that they made.
const BOOKKEEPING: &str = "fabric.migrations";

/// fabric's tables are not what this release needs.
#[derive(Debug, thiserror::Error)]
pub enum NotMigrated {
    #[error("fabric's tables lack {0} migrations of this release: run `fabric migrate`")]
    Pending(usize),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Migrations of a newer release do not disturb this one: releases expand first and contract one later.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.create_schema("fabric");
    migrator.dangerous_set_table_name(BOOKKEEPING);
    migrator.set_ignore_missing(true);
    migrator
}

/// Applies `migrations/`, one process at a time, stores the Avro schemas by fingerprint, and gives the roles that there are
/// what they need. Answers how many were new.
pub async fn migrate(pool: &PgPool) -> Result<usize, MigrateError> {
    // Detached: a migration that fails leaves its session lock behind, which must end with the connection.
    let mut connection = pool.acquire().await?.detach();
    let before = applied(&mut connection).await?;
    migrator().run_direct(None, &mut connection, false).await?;
    let after = applied(&mut connection).await?;
    store_schemas(&mut connection).await?;
    sqlx::query("select fabric.grant_roles()").execute(&mut connection).await?;
    Ok(after.saturating_sub(before))
}

/// `Ok` where every migration of this release has been applied.
pub async fn check_migrated(pool: &PgPool) -> Result<(), NotMigrated> {
    let mut connection = pool.acquire().await?;
    let missing = migrations().saturating_sub(applied(&mut connection).await?);
    if missing == 0 { Ok(()) } else { Err(NotMigrated::Pending(missing)) }
}

/// How many migrations this release has.
pub fn migrations() -> usize {
    migrator().iter().count()
}

/// How many of this release's migrations have been applied.
async fn applied(connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass($1) is not null").bind(BOOKKEEPING).fetch_one(&mut *connection).await?;
    if !exists {
        return Ok(0);
    }
    let versions: Vec<i64> =
        sqlx::query_scalar("select version from fabric.migrations where success").fetch_all(connection).await?;
    Ok(migrator().iter().filter(|migration| versions.contains(&migration.version)).count())
}

/// Stored as the fingerprint stands in a message: CRC-64-AVRO, little-endian (Avro 1.12, "Single-object encoding").
async fn store_schemas(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (name, document) in SCHEMAS {
        let schema = apache_avro::Schema::parse_str(document).expect("a schema of this release is Avro");
        sqlx::query(
            "insert into fabric.schemas (fingerprint, name, document) values ($1, $2, $3) on conflict do nothing",
        )
        .bind(schema.fingerprint::<Rabin>().bytes)
        .bind(name)
        .bind(document)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SCHEMAS;

    #[test]
    fn every_schema_of_the_tree_is_stored() {
        let mut files: Vec<_> = std::fs::read_dir("schemas")
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().into_string().unwrap().strip_suffix(".avsc").map(str::to_owned)
            })
            .collect();
        files.sort();
        assert_eq!(files, SCHEMAS.map(|(name, _)| name));
    }
}
