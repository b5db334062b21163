//! `fabric streams rejects`

use fabric::jobs::RejectReason;
use fabric::report::figures;
use fabric::streams::{self, StreamReject};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Show a stream's last rejects: where each stood, why, and its bytes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams rejects payments --rule schema-error --limit 5")]
pub struct Args {
    feed: String,
    /// Only records that broke this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
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
        let found = streams::rejects(&server.pool, &args.feed, args.rule.as_deref(), args.limit).await?;
        if args.json {
            print_json(&found.iter().map(as_json).collect::<Vec<_>>())?;
        } else if found.is_empty() {
            eprintln!("{} has no rejects", args.feed);
        } else {
            print(&found.iter().map(|reject| text(reject, &zone)).collect::<Vec<_>>().join("\n"))?;
        }
        Ok(Exit::Done)
    })
}

fn as_json(reject: &StreamReject) -> Value {
    json!({
        "topic": reject.topic, "partition": reject.partition, "offset": reject.offset,
        "feedVersion": reject.feed_version, "rejectedAt": reject.rejected_at, "length": reject.length,
        "source": String::from_utf8_lossy(&reject.source), "reasons": reject.reasons,
    })
}

fn text(reject: &StreamReject, zone: &TimeZone) -> String {
    let StreamReject { topic, partition, offset, feed_version, .. } = reject;
    let at = figures::time(reject.rejected_at, zone);
    let mut text = format!("  {topic} partition {partition} offset {offset}, judged by v{feed_version} at {at}\n");
    for RejectReason { rule, field, value, message, .. } in &reject.reasons {
        let value = value.as_ref().map(|value| format!(" {value:?}")).unwrap_or_default();
        text.push_str(&format!("    {}{value} · {message}\n", field.as_ref().unwrap_or(rule)));
    }
    text.push_str(&format!("    {}\n", String::from_utf8_lossy(&reject.source).escape_debug()));
    text
}
