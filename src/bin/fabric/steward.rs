//! `fabric steward`

use fabric::steward;
use fabric::telemetry::Role;

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
    let work = async |settings, shutdown, health| Ok(steward::run(settings, shutdown, health).await?);
    role::run(globals, Role::Steward, &[], work)
}
