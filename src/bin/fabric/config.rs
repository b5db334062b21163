//! `fabric config`: whether what is active has reached every process.

use std::time::Duration;

use clap::Subcommand;
use fabric::processes::{self, Holdings, ProcessHolding};
use fabric::report::{Align, figures, table};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// What is active of feeds, templates and reference sets, and which process holds it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric config status")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every live process, the versions that it holds, and what it has not applied yet
    ///
    /// As processes say themselves: within a second of a change, and every five seconds.
    #[command(after_help = "Example:\n  fabric config status --json | jq '.processes[].behind'")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let What::Status { json } = args.what;
    server::run(globals, async |server| {
        let mut connection = server.pool.acquire().await?;
        let holdings = processes::holdings(&mut connection).await?;
        if json {
            print_json(&holdings)?;
        } else {
            print(&text(&holdings, globals))?;
        }
        Ok(Exit::Done)
    })
}

fn text(holdings: &Holdings, globals: &Globals) -> String {
    if holdings.things.is_empty() {
        return "nothing is active yet: fabric feeds apply FILE\n".to_owned();
    }
    let zone = globals.zone();
    let heads =
        [("active", Align::Left), ("version", Align::Right), ("changed", Align::Left), ("held by", Align::Left)];
    let row = |thing: &processes::CurrentThing| {
        let version = if thing.retired { "retired".to_owned() } else { format!("v{}", thing.version) };
        let holds = |process: &&ProcessHolding| process.behind.iter().all(|behind| behind.thing != thing.thing);
        let count = holdings.processes.iter().filter(holds).count();
        let held = format!("{count} of {}", holdings.processes.len());
        vec![thing.thing.clone(), version, figures::time(thing.changed_at, &zone), held]
    };
    let mut text = table("", &heads, &holdings.things.iter().map(row).collect::<Vec<_>>());
    text.push('\n');
    text.push_str(&processes_table(&holdings.processes));
    text
}

fn processes_table(processes: &[ProcessHolding]) -> String {
    if processes.is_empty() {
        return "no process is running that follows it: fabric validate\n".to_owned();
    }
    let heads = [
        ("process", Align::Left),
        ("place", Align::Left),
        ("follows", Align::Left),
        ("holds", Align::Right),
        ("behind", Align::Left),
    ];
    let row = |each: &ProcessHolding| {
        let holding = each.process.doing.config.clone().unwrap_or_default();
        let place = format!("{}/{}", each.process.host, each.process.pid);
        let behind = each.behind.iter().map(|behind| {
            let holds = behind.holds.map_or_else(|| "-".to_owned(), |version| format!("v{version}"));
            let since = figures::whole_duration(Duration::from_secs_f64(behind.seconds.max(0.0)));
            format!("{} {holds} → v{} for {since}", behind.thing, behind.active)
        });
        let behind = behind.collect::<Vec<_>>().join(", ");
        let behind = if behind.is_empty() { "-".to_owned() } else { behind };
        let role = each.process.role.as_str().to_owned();
        vec![role, place, holding.follows, figures::count(holding.things.len() as u64), behind]
    };
    let mut text = table("", &heads, &processes.iter().map(row).collect::<Vec<_>>());
    for each in processes {
        if let Some(note) = each.process.doing.config.as_ref().and_then(|holding| holding.note.as_ref()) {
            text.push_str(&format!("\n{}/{}: {note}\n", each.process.host, each.process.pid));
        }
    }
    text
}
