//! `fabric jobs show|wait`: a job's report.

use std::time::Duration;

use fabric::chunk::JobId;
use fabric::jobs::{self, Cause, JobDetail, OwedChunk};
use fabric::report::{self, figures};
use fabric::settings::parse_duration;
use jiff::tz::TimeZone;

use super::no_job;
use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Show a job: its report, its steps, what is missing, what was noted
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs show 2")]
pub struct ShowArgs {
    job: i64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Wait until a job has ended, then print its report; exits 0 where it completed, 3 where its data stopped it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs wait 2 --timeout 10m")]
pub struct WaitArgs {
    job: i64,
    /// Give up after this long (15s, 2m); the job goes on
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time such as 500ms, 15s or 2m is expected".to_owned())
}

pub fn show(globals: &Globals, args: ShowArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let job = JobId(args.job);
        let detail = jobs::show(&server.pool, job).await?.ok_or_else(|| no_job(job))?;
        if args.json {
            print_json(&detail.report)?;
        } else {
            print(&report::text(&detail.report))?;
            print(&steps(&detail, &zone))?;
        }
        Ok(Exit::Done)
    })
}

pub fn wait(globals: &Globals, args: WaitArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let job = JobId(args.job);
        let (state, _reason) = jobs::wait(&server.pool, job, args.timeout).await?;
        let report = jobs::report(&server.pool, job).await?.ok_or_else(|| no_job(job))?;
        if args.json {
            print_json(&report)?;
        } else {
            print(&report::text(&report))?;
        }
        if state.exit_code().is_none() {
            eprintln!("job {job} goes on; this wait has ended. It can be repeated: fabric jobs wait {job}");
        }
        Ok(Exit::of_job(state))
    })
}

fn steps(detail: &JobDetail, zone: &TimeZone) -> String {
    let mut text = String::from("\n");
    let mut line = |name: &str, what: String| text.push_str(&format!("  {name:<11} {what}\n"));
    line("file", format!("{}, {}", detail.report.file, figures::bytes(detail.report.bytes)));
    line("registered", format!("{} by {}", figures::time(detail.registered_at, zone), detail.registered_by));
    if !detail.references.is_empty() {
        let pins = detail.references.iter().map(|(set, version)| format!("{set} v{version}"));
        line("references", pins.collect::<Vec<_>>().join(", "));
    }
    if let Some(publisher) = &detail.publisher {
        line("publisher", format!("{publisher}, lane {}", detail.lane));
    }
    if let Some(closed) = detail.closed_at {
        line("published", figures::time(closed, zone));
    }
    if let Some(ended) = detail.ended_at {
        line("ended", figures::time(ended, zone));
    }
    let loaded = figures::count(detail.chunks_loaded.into());
    line(
        "chunks",
        match detail.chunks {
            Some(chunks) => format!("{loaded} of {} loaded", figures::count(chunks.into())),
            None => format!("{loaded} loaded so far"),
        },
    );
    if !detail.missing.is_empty() {
        let ranges = detail.missing.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}–{last}"),
        });
        line("not loaded", ranges.collect::<Vec<_>>().join(", "));
    }
    for OwedChunk { seq, cause, reason, .. } in &detail.owed {
        match cause {
            Cause::Target => line("owed", format!("chunk {seq}: {reason}")),
            // It names the chunk and where it is.
            Cause::Worker => line("quarantined", reason.clone()),
        }
    }
    for (at, note) in &detail.notes {
        line("note", format!("{}  {note}", figures::time(*at, zone)));
    }
    text
}
