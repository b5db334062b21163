//! `fabric steward`

use std::sync::Arc;

use fabric::processes;
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
        let beats = PostgresSettings { pool: 1, ..settings.postgres.clone() };
        let beats = postgres::pool(&beats, "fabric steward beat")?;
        let announcement = processes::announce(&beats, processes::Role::Steward, Arc::default());
        let led = steward::run(settings, shutdown, health).await;
        announcement.end().await;
        Ok(led?)
    })
}
