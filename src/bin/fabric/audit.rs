//! `fabric audit`

use fabric::config::{self, AuditEntry, AuditQuery};
use fabric::report::{Align, figures, table};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};
use serde_json::json;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Show who changed what, when and why, newest first: feeds, templates, reference sets, schemas, streams, jobs that were
/// cancelled or resumed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric audit card-transactions --since 7d")]
pub struct Args {
    /// Only this feed, template, reference set, schema or stream, or the job of this number
    name: Option<String>,
    /// Only things of this kind
    #[arg(long, value_parser = ["feed", "template", "reference", "schema", "job", "stream"])]
    kind: Option<String>,
    /// Only what this person did
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// Only from then on: 7d, 12h, 2026-11-24, 2026-11-24T06:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    let moment = |text: &Option<String>| text.as_deref().map(|text| moment(text, &zone)).transpose();
    let query = AuditQuery {
        kind: args.kind.clone(),
        name: args.name.clone(),
        who: args.who.clone(),
        since: moment(&args.since)?,
        until: moment(&args.until)?,
        limit: args.limit,
    };
    server::run(globals, async |server| {
        let entries = config::audit_log(&server.pool, &query).await?;
        if args.json {
            print_json(&entries.iter().map(as_json).collect::<Vec<_>>())?;
        } else if entries.is_empty() {
            eprintln!("nothing on record");
        } else {
            print(&text(&entries, &zone))?;
        }
        Ok(Exit::Done)
    })
}

/// A moment, a day's beginning in this zone, or so long ago.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, Refused> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<civil::Date>()
        && let Ok(at) = day.to_zoned_datetime(zone.clone())
    {
        return Ok(at.timestamp());
    }
    let ago = text
        .parse::<Span>()
        .ok()
        .and_then(|span| Timestamp::now().to_zoned_datetime(zone.clone()).checked_sub(span).ok());
    ago.map(|at| at.timestamp())
        .ok_or_else(|| Refused(format!("{text} is no time; expected as in 7d, 12h, 2026-11-24, 2026-11-24T06:00:00Z")))
}

fn as_json(entry: &AuditEntry) -> serde_json::Value {
    json!({
        "at": entry.at, "who": entry.who, "action": entry.action, "kind": entry.kind, "name": entry.name,
        "before": entry.before, "after": entry.after, "message": entry.message,
    })
}

fn text(entries: &[AuditEntry], zone: &TimeZone) -> String {
    let heads = ["at", "who", "action", "thing", "version", "why"].map(|head| (head, Align::Left));
    let row = |entry: &AuditEntry| {
        let versions = match (entry.before, entry.after) {
            (Some(before), Some(after)) if before != after => format!("v{before} → v{after}"),
            (_, Some(version)) | (Some(version), None) => format!("v{version}"),
            (None, None) => String::new(),
        };
        vec![
            figures::time(entry.at, zone),
            entry.who.clone(),
            entry.action.clone(),
            format!("{} {}", entry.kind, entry.name),
            versions,
            entry.message.clone().unwrap_or_default(),
        ]
    };
    table("", &heads, &entries.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_so_long_ago() {
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        let day = moment("2026-11-24", &zone).unwrap();
        assert_eq!(day, moment("2026-11-23T23:00:00Z", &zone).unwrap());
        let ago = Timestamp::now().duration_since(moment("7d", &zone).unwrap()).as_secs();
        assert!((7 * 86_400 - 3_700..=7 * 86_400 + 3_700).contains(&ago), "{ago}");
        assert!(moment("yesterday-ish", &zone).is_err());
    }
}
