//! `fabric steward`

use std::sync::Arc;

use fabric::config::{Live, Prepares};
use fabric::processes::{self, Tally};
use fabric::settings::PostgresSettings;
use fabric::telemetry::Role;
use fabric::{postgres, steward};

use crate::exit::Exit;
use crate::globals::Globals;
use crate::role;

/// Run a candidate for the elected loop that rolls up jobs, judges thresholds and publishes events, until SIGTERM
///
/// `validate` carries one too: this is for clusters that scale validators to zero.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric steward")]
pub struct Args {}

pub fn run(globals: &Globals, _: Args) -> anyhow::Result<Exit> {
    role::run(globals, Role::Steward, &[], async |settings, shutdown, health| {
        let beside = PostgresSettings { pool: 2, ..settings.postgres.clone() };
        let beside = postgres::pool(&beside, "fabric steward beat")?;
        let live = Live::start(&settings, beside.clone(), Arc::clone(&health), Prepares::Nothing)?;
        let tally = Arc::new(Tally::default());
        tally.follows(&live);
        let announcement = processes::announce(&beside, processes::Role::Steward, tally);
        let led = steward::run(settings, shutdown, health, live).await;
        announcement.end().await;
        Ok(led?)
    })
}
