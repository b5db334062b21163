//! `fabric jobs list`

use fabric::jobs::{self, JobSummary};
use fabric::report::{Align, figures, table};
use jiff::tz::TimeZone;

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// List jobs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs list --feed card-transactions --limit 5")]
pub struct Args {
    /// Only jobs of this feed
    #[arg(long)]
    feed: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let found = jobs::list(&server.pool, args.feed.as_deref(), args.limit).await?;
        if args.json {
            print_json(&found)?;
        } else if found.is_empty() {
            eprintln!("no jobs yet");
        } else {
            print(&text(&found, &zone))?;
        }
        Ok(Exit::Done)
    })
}

fn text(jobs: &[JobSummary], zone: &TimeZone) -> String {
    let heads = [
        ("job", Align::Right),
        ("feed", Align::Left),
        ("state", Align::Left),
        ("loaded", Align::Right),
        ("rejected", Align::Right),
        ("registered", Align::Left),
        ("file", Align::Left),
    ];
    let row = |job: &JobSummary| {
        vec![
            job.job.to_string(),
            format!("{} v{}", job.feed, job.feed_version),
            job.state.as_str().to_owned(),
            figures::count(job.loaded),
            figures::count(job.rejected),
            figures::time(job.registered_at, zone),
            job.file.clone(),
        ]
    };
    table("", &heads, &jobs.iter().map(row).collect::<Vec<_>>())
}
