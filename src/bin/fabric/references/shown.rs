//! `fabric references list|show|history`: what Postgres holds.

use fabric::config::references::{self, SetDetail, SetSummary, SetVersion};
use fabric::report::{Align, figures, table};
use fabric::rules::SEPARATOR;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// List reference sets with their active versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references list")]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a version of a set, and which feeds look the set up
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references show branches --keys > branches.csv")]
pub struct ShowArgs {
    name: String,
    /// Another version than the active one
    #[arg(long, value_name = "N")]
    version: Option<i32>,
    /// Write its keys instead, in order, as CSV with a line of column names
    #[arg(long, conflicts_with = "json")]
    keys: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the versions of a set, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references history branches")]
pub struct HistoryArgs {
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn list(globals: &Globals, args: ListArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let sets = references::list(&server.pool).await?;
        if args.json {
            let of = |set: &SetSummary| {
                json!({
                    "name": set.name, "activeVersion": set.version.version, "columns": set.version.columns,
                    "keys": set.version.keys, "retired": set.retired, "changedBy": set.changed_by,
                    "changedAt": set.changed_at,
                })
            };
            print_json(&sets.iter().map(of).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        if sets.is_empty() {
            eprintln!("no reference sets yet: fabric references load NAME FILE.csv");
            return Ok(Exit::Done);
        }
        let heads = heads(&["reference set", "version", "keys", "columns", "changed", "by"]);
        let row = |set: SetSummary| {
            let version = if set.retired { "retired".to_owned() } else { format!("v{}", set.version.version) };
            let changed = figures::time(set.changed_at, &zone);
            let (keys, columns) = (figures::count(set.version.keys), set.version.columns.join(", "));
            vec![set.name, version, keys, columns, changed, set.changed_by]
        };
        print(&table("", &heads, &sets.into_iter().map(row).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    })
}

fn heads<'h>(names: &[&'h str]) -> Vec<(&'h str, Align)> {
    let align = |name: &str| if matches!(name, "version" | "keys") { Align::Right } else { Align::Left };
    names.iter().map(|name| (*name, align(name))).collect()
}

pub fn history(globals: &Globals, args: HistoryArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let (versions, active) = references::history(&server.pool, &args.name).await?;
        if args.json {
            let of = |version: &SetVersion| of_version(version, active);
            print_json(&versions.iter().map(of).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        let heads = heads(&["version", "", "keys", "columns", "applied", "by", "message"]);
        let row = |set: SetVersion| {
            vec![
                format!("v{}", set.version),
                if active == Some(set.version) { "active".to_owned() } else { String::new() },
                figures::count(set.keys),
                set.columns.join(", "),
                figures::time(set.applied_at, &zone),
                set.applied_by,
                set.message.unwrap_or_default(),
            ]
        };
        print(&table("", &heads, &versions.into_iter().map(row).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    })
}

fn of_version(version: &SetVersion, active: Option<i32>) -> Value {
    json!({
        "version": version.version, "active": active == Some(version.version), "keys": version.keys,
        "columns": version.columns, "sha256": hex(&version.sha256), "basedOn": version.based_on,
        "message": version.message, "appliedBy": version.applied_by, "appliedAt": version.applied_at,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn show(globals: &Globals, args: ShowArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let detail = references::show(&server.pool, &args.name, args.version).await?;
        if args.keys {
            let mut csv = csv::Writer::from_writer(Vec::new());
            csv.write_record(&detail.version.columns)?;
            let write = |key: &[u8]| {
                csv.write_record(key.split(|byte| *byte == SEPARATOR)).expect("memory takes every write");
            };
            references::keys_of(&server.pool, &args.name, detail.version.version, write).await?;
            print(&String::from_utf8_lossy(&csv.into_inner()?))?;
            return Ok(Exit::Done);
        }
        if args.json {
            let active = (!detail.retired).then_some(detail.active_version);
            let mut shown = of_version(&detail.version, active);
            shown["name"] = json!(args.name);
            shown["retired"] = json!(detail.retired);
            shown["feeds"] = json!(detail.feeds);
            print_json(&shown)?;
            return Ok(Exit::Done);
        }
        print(&told(&args.name, &detail, &zone))?;
        Ok(Exit::Done)
    })
}

fn told(name: &str, detail: &SetDetail, zone: &jiff::tz::TimeZone) -> String {
    let version = &detail.version;
    let standing = match (detail.retired, detail.active_version) {
        (true, _) => "the set is retired".to_owned(),
        (false, active) if active == version.version => "active".to_owned(),
        (false, active) => format!("v{active} is active"),
    };
    let mut text = format!(
        "{name} v{}  {standing}\n  keys     {}\n  columns  {}\n  sha256   {}\n  applied  {} by {}\n",
        version.version,
        figures::count(version.keys),
        version.columns.join(", "),
        hex(&version.sha256),
        figures::time(version.applied_at, zone),
        version.applied_by,
    );
    if let Some(message) = &version.message {
        text.push_str(&format!("  message  {message}\n"));
    }
    let feeds = if detail.feeds.is_empty() { "none".to_owned() } else { detail.feeds.join(", ") };
    text.push_str(&format!("  feeds    {feeds}\n"));
    text
}
