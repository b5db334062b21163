//! Builds the Postgres pool and single connections, and says in people's words why the server does not answer.

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::settings::PostgresSettings;

/// Options of every connection: application name, keepalives, timeouts. The message of an error never holds the URL's password.
pub fn connect_options(settings: &PostgresSettings, application_name: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let _ = (settings, application_name);
    todo!()
}

/// A pool that connects when it is first used.
pub fn pool(settings: &PostgresSettings, application_name: &str) -> Result<PgPool, sqlx::Error> {
    let _ = (settings, application_name);
    todo!()
}

/// Applies `migrations/`, one process at a time, and stores the Avro schemas by fingerprint. Answers how many were new.
pub async fn migrate(pool: &PgPool) -> Result<usize, sqlx::migrate::MigrateError> {
    let _ = pool;
    todo!()
}
