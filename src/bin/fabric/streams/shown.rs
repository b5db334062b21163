//! `fabric streams list|show`

use fabric::report::{Align, figures, table};
use fabric::streams::{self, StreamSummary};
use jiff::tz::TimeZone;

use super::no_stream;
use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// List streams: where each stands, and how many records wait
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams list --json")]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a stream, partition by partition
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams show payments")]
pub struct ShowArgs {
    feed: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn list(globals: &Globals, args: ListArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let found = streams::list(&server.pool, &server.settings.kafka).await?;
        if args.json {
            print_json(&found)?;
        } else if found.is_empty() {
            eprintln!("no streams yet: a feed with `stream:` is one");
        } else {
            print(&listed(&found))?;
        }
        Ok(Exit::Done)
    })
}

pub fn show(globals: &Globals, args: ShowArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let found = streams::show(&server.pool, &server.settings.kafka, &args.feed).await?;
        let stream = found.ok_or_else(|| no_stream(&args.feed))?;
        if args.json {
            print_json(&stream)?;
        } else {
            print(&shown(&stream, &zone))?;
        }
        Ok(Exit::Done)
    })
}

fn waiting(records: Option<i64>) -> String {
    records.map_or("?".to_owned(), |records| figures::count(records.unsigned_abs()))
}

fn listed(streams: &[StreamSummary]) -> String {
    let heads = [
        ("feed", Align::Left),
        ("topic", Align::Left),
        ("state", Align::Left),
        ("partitions", Align::Right),
        ("loaded", Align::Right),
        ("rejected", Align::Right),
        ("waiting", Align::Right),
        ("why", Align::Left),
    ];
    let row = |stream: &StreamSummary| {
        vec![
            format!("{} v{}", stream.feed, stream.feed_version),
            stream.topic.clone(),
            stream.state.clone(),
            stream.partitions.len().to_string(),
            figures::count(stream.loaded.unsigned_abs()),
            figures::count(stream.rejected.unsigned_abs()),
            waiting(stream.waiting),
            stream.reason.clone().unwrap_or_default(),
        ]
    };
    table("", &heads, &streams.iter().map(row).collect::<Vec<_>>())
}

fn shown(stream: &StreamSummary, zone: &TimeZone) -> String {
    let mut text = format!("{} v{}  topic {}  {}\n", stream.feed, stream.feed_version, stream.topic, stream.state);
    if let Some(reason) = &stream.reason {
        text.push_str(&format!("  {reason}\n"));
    }
    let window = &stream.window;
    text.push_str(&format!(
        "  window since {}: {}, {} rejected\n",
        figures::time(window.began, zone),
        figures::counted(window.records.unsigned_abs(), "record", "records"),
        figures::count(window.rejected.unsigned_abs())
    ));
    if stream.partitions.is_empty() {
        text.push_str("\nno partition has been begun yet: does the topic exist, and does a `fabric validate` run?\n");
        return text;
    }
    let heads = [
        ("partition", Align::Right),
        ("state", Align::Left),
        ("next offset", Align::Right),
        ("log ends at", Align::Right),
        ("loaded", Align::Right),
        ("rejected", Align::Right),
        ("version", Align::Left),
        ("moved", Align::Left),
    ];
    let rows = stream.partitions.iter().map(|partition| {
        vec![
            partition.partition.to_string(),
            partition.state.clone(),
            partition.next_offset.to_string(),
            partition.log_end.map_or("?".to_owned(), |end| end.to_string()),
            figures::count(partition.loaded.unsigned_abs()),
            figures::count(partition.rejected.unsigned_abs()),
            partition.feed_version.map(|version| format!("v{version}")).unwrap_or_default(),
            figures::time(partition.moved_at, zone),
        ]
    });
    text.push('\n');
    text.push_str(&table("  ", &heads, &rows.collect::<Vec<_>>()));
    text
}
