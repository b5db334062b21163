//! `fabric recover`

use fabric::recover;

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Put in order what Postgres has forgotten since it was restored to an earlier point
///
/// Compares the ledger with what Kafka keeps: jobs that were registered are registered again, closed ones closed again,
/// and each partition of a lane goes back to its first chunk that is not loaded. What is loaded already is skipped.
/// Without --yes it only says what it would do. Validators may run meanwhile; they begin by themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric recover\n  fabric recover --yes")]
pub struct Args {
    /// Do it. Needs the rights of the owner, as `fabric migrate` does
    #[arg(long)]
    yes: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let plan = recover::plan(&server.settings, &server.pool).await?;
        if args.yes && !plan.is_empty() {
            recover::apply(&server.pool, &plan).await?;
        }
        if args.json {
            print_json(&serde_json::json!({ "done": args.yes && !plan.is_empty(), "plan": plan }))?;
            return Ok(Exit::Done);
        }
        print(&plan.to_string())?;
        if !plan.is_empty() {
            print(if args.yes {
                "\nDone: validators take it from here. `fabric jobs list` shows what becomes of the jobs.\n"
            } else {
                "\nNothing has been changed. `fabric recover --yes` does it.\n"
            })?;
        }
        Ok(Exit::Done)
    })
}
