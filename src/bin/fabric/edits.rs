//! What every command that edits config takes, and how it tells what it did.

use std::path::PathBuf;

use fabric::config::{
    self, Applied, Change, Comparison, Edit, Edited, Kind, Outcome, Propagate, Stage, Touched, VersionSummary, WaitsFor,
};
use fabric::load::TargetChange;
use fabric::report::{Align, figures, table};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::server;

#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// Why, for those who read the history
    #[arg(long, short, value_name = "WHY")]
    message: Option<String>,
    /// The version that you began from: refused, with what changed since, where another is active by now
    #[arg(long, value_name = "N")]
    based_on: Option<i32>,
    /// Store the version without making it the active one
    #[arg(long)]
    draft: bool,
}

impl EditArgs {
    pub fn edit(&self) -> Edit<'_> {
        Edit {
            message: self.message.as_deref(),
            based_on: self.based_on,
            stage: if self.draft { Stage::Draft } else { Stage::Active },
            ..Edit::default()
        }
    }
}

/// A version is one of one thing.
pub fn one_file_to_base(files: &[PathBuf], edit: &EditArgs) -> Result<(), Refused> {
    match (files, edit.based_on) {
        ([_, _, ..], Some(_)) => Err(Refused("--based-on goes with one file".into())),
        _ => Ok(()),
    }
}

#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// Add the columns that the target lacks (`alter table … add column`)
    #[arg(long)]
    migrate_target: bool,
}

impl TargetArgs {
    pub fn change(&self) -> TargetChange {
        if self.migrate_target { TargetChange::Migrate } else { TargetChange::Propose }
    }
}

#[derive(Debug, clap::Args)]
pub struct PropagateArgs {
    /// Make new versions of the feeds that it changes, all or none
    #[arg(long)]
    propagate: bool,
}

impl PropagateArgs {
    pub fn propagate(&self) -> Propagate {
        if self.propagate { Propagate::Yes } else { Propagate::No }
    }
}

/// Which version becomes the active one, and why.
#[derive(Debug, clap::Args)]
pub struct ActivateArgs {
    name: String,
    version: i32,
    /// Why, for those who read the history
    #[arg(long, short, value_name = "WHY")]
    message: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    name: String,
    /// Another version than the one that was active before
    #[arg(long, value_name = "N")]
    to: Option<i32>,
    /// Why, for those who read the history
    #[arg(long, short, value_name = "WHY")]
    message: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct RetireArgs {
    name: String,
    /// Why, for those who read the history
    #[arg(long, short, value_name = "WHY")]
    message: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    name: String,
    /// The version that was active before, unless it is given
    from: Option<i32>,
    /// The active version, unless it is given
    to: Option<i32>,
}

/// `cards v3  applied`, and what waits or was changed besides.
pub fn told(group: &str, edited: &Edited) -> String {
    let Edited { name, applied, migrated } = edited;
    let version = applied.version();
    let words = match applied {
        Applied::New { .. } => "applied".to_owned(),
        Applied::Unchanged { .. } => "unchanged".to_owned(),
        Applied::Waiting { waits_for: WaitsFor::Activation, .. } => {
            format!("stored; to use it: fabric {group} activate {name} {version}")
        }
        Applied::Waiting { waits_for: WaitsFor::Approval, .. } => {
            format!("waits for somebody else: fabric {group} activate {name} {version}")
        }
    };
    format!("{name} v{version}  {words}\n{}", statements(migrated))
}

fn statements(migrated: &[String]) -> String {
    migrated.iter().map(|statement| format!("  {statement}\n")).collect()
}

/// The feeds that a template's change touches, and what to do about them.
pub fn told_of_feeds(template: &str, touched: &[Touched]) -> String {
    let mut text = String::new();
    for Touched { feed, version, pins, outcome } in touched {
        let words = match outcome {
            Outcome::WouldChange => format!("would change (it pins {template} v{pins})"),
            Outcome::WouldFail(faults) => {
                format!("would be at fault:\n    {}", faults.to_string().trim_end().replace('\n', "\n    "))
            }
            Outcome::Changed(Applied::Waiting { version, .. }) => {
                format!("v{version} waits for somebody else: fabric feeds activate {feed} {version}")
            }
            Outcome::Changed(applied) => format!("v{}  applied", applied.version()),
        };
        text.push_str(&match outcome {
            Outcome::Changed(_) => format!("  feed {feed} {words}\n"),
            _ => format!("  feed {feed} v{version} {words}\n"),
        });
    }
    if touched.iter().any(|feed| feed.outcome == Outcome::WouldChange) {
        text.push_str(
            "  --propagate makes their new versions; else each keeps what it pins until it is applied again\n",
        );
    }
    text
}

pub fn activate(globals: &Globals, kind: Kind, args: &ActivateArgs, change: Change<'_>) -> anyhow::Result<Exit> {
    let change = Change { message: args.message.as_deref(), ..change };
    server::run(globals, async |server| {
        let load = &server.settings.load;
        let done = config::activate(&server.pool, kind, &args.name, args.version, &change, load).await?;
        print(&told_active(&args.name, &done))?;
        Ok(Exit::Done)
    })
}

pub fn roll_back(globals: &Globals, kind: Kind, args: &RollbackArgs, change: Change<'_>) -> anyhow::Result<Exit> {
    let change = Change { message: args.message.as_deref(), ..change };
    server::run(globals, async |server| {
        let load = &server.settings.load;
        let done = config::roll_back(&server.pool, kind, &args.name, args.to, &change, load).await?;
        print(&told_active(&args.name, &done))?;
        Ok(Exit::Done)
    })
}

fn told_active(name: &str, done: &config::Activated) -> String {
    let before = match done.before {
        Some(before) if before != done.version => format!(" (before: v{before})"),
        _ => String::new(),
    };
    let feeds = told_of_feeds(name, &done.touched);
    format!("{name} v{}  active{before}\n{}{feeds}", done.version, statements(&done.migrated))
}

pub fn retire(globals: &Globals, kind: Kind, args: &RetireArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let version = config::retire(&server.pool, kind, &args.name, args.message.as_deref()).await?;
        print(&format!(
            "{name} v{version}  retired; back again: fabric {kind}s activate {name} {version}\n",
            name = args.name
        ))?;
        Ok(Exit::Done)
    })
}

pub fn diff(globals: &Globals, kind: Kind, args: &DiffArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let comparison = Comparison { from: args.from, to: args.to };
        match config::compare(&server.pool, kind, &args.name, comparison).await? {
            Some(difference) => print(&difference)?,
            None => eprintln!("the two are the same"),
        }
        Ok(Exit::Done)
    })
}

pub fn history(globals: &Globals, kind: Kind, args: &HistoryArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let versions = config::history(&server.pool, kind, &args.name).await?;
        if args.json {
            print_json(&versions.iter().map(as_json).collect::<Vec<_>>())?;
        } else {
            print(&history_text(&versions, &zone))?;
        }
        Ok(Exit::Done)
    })
}

fn as_json(version: &VersionSummary) -> serde_json::Value {
    let pins: serde_json::Map<_, _> = version.pins.iter().map(|(name, pin)| (name.clone(), json!(pin))).collect();
    json!({
        "version": version.version, "state": version.state.as_str(), "basedOn": version.based_on,
        "message": version.message, "templates": pins, "appliedBy": version.applied_by,
        "appliedAt": version.applied_at, "approvedBy": version.approved_by,
    })
}

fn history_text(versions: &[VersionSummary], zone: &TimeZone) -> String {
    let heads = [
        ("version", Align::Right),
        ("state", Align::Left),
        ("applied", Align::Left),
        ("by", Align::Left),
        ("based on", Align::Right),
        ("why", Align::Left),
    ];
    let row = |version: &VersionSummary| {
        let mut why: Vec<String> = version.message.iter().cloned().collect();
        why.extend(version.approved_by.iter().map(|by| format!("approved by {by}")));
        if !version.pins.is_empty() {
            let pins: Vec<_> = version.pins.iter().map(|(name, pin)| format!("{name} v{pin}")).collect();
            why.push(format!("with {}", pins.join(", ")));
        }
        vec![
            format!("v{}", version.version),
            version.state.as_str().to_owned(),
            figures::time(version.applied_at, zone),
            version.applied_by.clone(),
            version.based_on.map(|based_on| format!("v{based_on}")).unwrap_or_default(),
            why.join(" · "),
        ]
    };
    table("", &heads, &versions.iter().map(row).collect::<Vec<_>>())
}
