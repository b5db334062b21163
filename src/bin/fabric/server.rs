//! Wires a short command to Postgres: settings, runtime, pool, and errors in people's words.

use fabric::postgres;
use fabric::settings::Settings;
use sqlx::PgPool;
use sqlx::migrate::MigrateError;

use crate::exit::Exit;
use crate::globals::Globals;

/// What a command has at hand.
pub struct Server {
    pub settings: Settings,
    pub pool: PgPool,
}

/// Runs `command` against the installation's Postgres. A driver's error is told in words, with the address.
pub fn run(globals: &Globals, command: impl AsyncFnOnce(&Server) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let settings = globals.settings()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let described = runtime.block_on(async {
        let pool = postgres::pool(&settings.postgres, "fabric")?;
        let server = Server { settings: settings.clone(), pool };
        command(&server).await
    });
    described.map_err(|error| describe(error, &settings))
}

/// Puts a driver's error, wherever it stands in the chain, into words.
pub fn describe(error: anyhow::Error, settings: &Settings) -> anyhow::Error {
    let words = error.chain().find_map(|cause| {
        let of_query = cause.downcast_ref::<sqlx::Error>();
        let of_migration = cause.downcast_ref::<MigrateError>().and_then(|error| match error {
            MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => Some(inner),
            _ => None,
        });
        of_query.or(of_migration).map(|error| postgres::describe(error, &settings.postgres))
    });
    words.map_or(error, anyhow::Error::msg)
}
