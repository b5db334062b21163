//! `fabric validate`

use std::sync::Arc;

use anyhow::Context as _;
use fabric::config::{Live, Prepares};
use fabric::telemetry::Role;
use fabric::{postgres, steward, validate};

use crate::exit::Exit;
use crate::globals::{Globals, SettingFlag};
use crate::role;

/// Run a member of the consumer group: check records and load them, until SIGTERM
///
/// Any number may run; each also stands for election as steward. SIGTERM finishes the chunks in flight; killing it
/// loses nothing and doubles nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric validate --workers 4 --loaders 2")]
pub struct Args {
    /// Threads that parse and judge (validate.workers)
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Connections that load (validate.loaders)
    #[arg(long, value_name = "N")]
    loaders: Option<String>,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let flags = [
        SettingFlag { flag: "--workers", key: "validate.workers", value: args.workers },
        SettingFlag { flag: "--loaders", key: "validate.loaders", value: args.loaders },
    ];
    role::run(globals, Role::Validate, &flags, async |settings, shutdown, health| {
        let pool = postgres::pool(&settings.postgres, "fabric validate")?;
        let live = Live::start(&settings, pool, Arc::clone(&health), Prepares::Plans)?;
        let candidate = steward::run(settings.clone(), shutdown.clone(), Arc::clone(&health), Arc::clone(&live));
        let candidate = tokio::spawn(candidate);
        let validated = validate::run(settings, shutdown, health, live).await;
        if validated.is_err() {
            // The process ends: its seat must be free at once.
            candidate.abort();
        }
        validated?;
        candidate.await.context("the steward's candidate ended unexpectedly")??;
        Ok(())
    })
}
