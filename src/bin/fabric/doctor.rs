//! `fabric doctor`

use fabric::doctor::{self, Status};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};

/// Look at Kafka, Postgres and what fabric needs of them: what is wrong, and what to do
///
/// Changes nothing. Done within about ten seconds, whatever is down. Exits 0 where nothing is at fault (warnings are
/// allowed), 1 where something is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric doctor --json | jq '.findings[] | select(.status == \"fault\")'")]
pub struct Args {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let settings = globals.settings()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let findings = runtime.block_on(doctor::examine(&settings));
    // A question to Kafka that was given up must not keep the process.
    runtime.shutdown_background();
    if args.json {
        print_json(&findings)?;
    } else {
        print(&doctor::text(&findings))?;
    }
    Ok(if findings.worst() == Status::Fault { Exit::SystemFailed } else { Exit::Done })
}
