//! `fabric streams pause|resume|seek|accept-gap`

use fabric::streams::{self, ChangeError, Moved, Seek};

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Stop loading a stream until it is resumed: once this has answered, nothing of it commits
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams pause payments --reason \"target is being rebuilt\"")]
pub struct PauseArgs {
    feed: String,
    /// Kept with the stream and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Let a paused stream go on where it stands
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams resume payments")]
pub struct ResumeArgs {
    feed: String,
    /// Kept in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Move a paused stream's positions: back loads records again, forward passes records over
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric streams seek payments --to beginning\n  fabric streams seek payments --partition 0 --to 1200"
)]
pub struct SeekArgs {
    feed: String,
    /// beginning, end, or an offset
    #[arg(long, value_name = "PLACE", value_parser = seek_of)]
    to: Seek,
    /// Only this partition
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Go on without records that are not in the topic any more
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams accept-gap payments")]
pub struct AcceptGapArgs {
    feed: String,
    /// Only this partition
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seek_of(text: &str) -> Result<Seek, String> {
    match text {
        "beginning" => Ok(Seek::Beginning),
        "end" => Ok(Seek::End),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Seek::Offset(offset)),
            _ => Err("expected `beginning`, `end`, or an offset".to_owned()),
        },
    }
}

/// What people can put right by asking otherwise is no failure of the system.
fn refused(error: ChangeError) -> anyhow::Error {
    match error {
        ChangeError::Held { .. } | ChangeError::Kafka(_) | ChangeError::Postgres(_) => error.into(),
        other => Refused(other.to_string()).into(),
    }
}

pub fn pause(globals: &Globals, args: PauseArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        streams::pause(&server.pool, &args.feed, args.reason.as_deref()).await.map_err(refused)?;
        said(&args.feed, "paused", args.json)
    })
}

pub fn resume(globals: &Globals, args: ResumeArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        streams::resume(&server.pool, &args.feed, args.reason.as_deref()).await.map_err(refused)?;
        said(&args.feed, "running", args.json)
    })
}

fn said(feed: &str, state: &str, json: bool) -> anyhow::Result<Exit> {
    if json {
        print_json(&serde_json::json!({ "feed": feed, "state": state }))?;
    } else {
        print(&format!("{feed}  {state}\n"))?;
    }
    Ok(Exit::Done)
}

pub fn seek(globals: &Globals, args: SeekArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let moved = streams::seek(&server.pool, &server.settings.kafka, &args.feed, args.partition, args.to).await;
        told(&args.feed, &moved.map_err(refused)?, args.json)
    })
}

pub fn accept_gap(globals: &Globals, args: AcceptGapArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let moved = streams::accept_gap(&server.pool, &args.feed, args.partition).await;
        told(&args.feed, &moved.map_err(refused)?, args.json)
    })
}

fn told(feed: &str, moved: &[Moved], json: bool) -> anyhow::Result<Exit> {
    if json {
        print_json(&serde_json::json!({ "feed": feed, "moved": moved }))?;
        return Ok(Exit::Done);
    }
    for Moved { partition, from, to } in moved {
        print(&format!("{feed}  partition {partition}  from offset {from} to {to}\n"))?;
    }
    Ok(Exit::Done)
}
