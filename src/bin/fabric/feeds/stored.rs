//! `fabric feeds list|show`: what Postgres holds.

use fabric::config;
use fabric::report::{Align, figures, table};
use serde_json::json;

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// List feeds with their active versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric feeds list")]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a feed's definition as it was applied
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric feeds show card-transactions --version 1")]
pub struct ShowArgs {
    feed: String,
    /// Another version than the active one
    #[arg(long, value_name = "N")]
    version: Option<i32>,
    /// With its templates merged in, and where each line came from
    #[arg(long)]
    resolved: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn list(globals: &Globals, args: ListArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let feeds = config::list_feeds(&server.pool).await?;
        if args.json {
            let of = |feed: &config::FeedSummary| {
                json!({
                    "feed": feed.feed, "activeVersion": feed.active_version, "target": feed.target,
                    "appliedBy": feed.applied_by, "appliedAt": feed.applied_at, "retired": feed.retired,
                    "newestVersion": feed.newest_version,
                })
            };
            print_json(&feeds.iter().map(of).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        if feeds.is_empty() {
            eprintln!("no feeds yet: fabric feeds apply FILE");
            return Ok(Exit::Done);
        }
        let heads = ["feed", "version", "target", "applied", "by"].map(|head| (head, align(head)));
        let row = |feed: config::FeedSummary| {
            let applied = figures::time(feed.applied_at, &zone);
            let target = if feed.retired { "retired".to_owned() } else { feed.target };
            vec![feed.feed, format!("v{}", feed.active_version), target, applied, feed.applied_by]
        };
        print(&table("", &heads, &feeds.into_iter().map(row).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    })
}

fn align(head: &str) -> Align {
    if head == "version" { Align::Right } else { Align::Left }
}

pub fn show(globals: &Globals, args: ShowArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let found = match args.version {
            Some(version) => config::feed_version(&server.pool, &args.feed, version).await?,
            None => config::current_feed(&server.pool, &args.feed).await?,
        };
        let text = match found.resolved.filter(|_| args.resolved) {
            Some(resolved) => resolved,
            None => found.document,
        };
        if args.json {
            print_json(&json!({ "feed": args.feed, "version": found.version, "document": text }))?;
        } else {
            eprintln!("{} v{}", args.feed, found.version);
            print(&format!("{}\n", text.trim_end()))?;
        }
        Ok(Exit::Done)
    })
}
