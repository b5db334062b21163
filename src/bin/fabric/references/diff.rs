//! `fabric references diff NAME FROM [TO]`

use fabric::config::references::{self, Change};
use fabric::report::figures;
use fabric::rules::SEPARATOR;
use serde_json::json;

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Show which keys stand between two versions of a set
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references diff branches 2 3")]
pub struct Args {
    name: String,
    from: i32,
    /// Another version than the active one
    to: Option<i32>,
    /// Keys to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let Args { name, from, to, show, json } = args;
    server::run(globals, async |server| {
        let to = match to {
            Some(to) => to,
            None => references::show(&server.pool, &name, None).await?.active_version,
        };
        let found = references::difference(&server.pool, &name, (from, to), show).await?;
        if json {
            let of = |change: &Change| match change {
                Change::Added(key) => {
                    json!({ "change": "added", "key": key.split(SEPARATOR as char).collect::<Vec<_>>() })
                }
                Change::Removed(key) => {
                    json!({ "change": "removed", "key": key.split(SEPARATOR as char).collect::<Vec<_>>() })
                }
            };
            print_json(&json!({
                "name": name, "from": from, "to": to, "added": found.added, "removed": found.removed,
                "first": found.first.iter().map(of).collect::<Vec<_>>(),
            }))?;
            return Ok(Exit::Done);
        }
        let mut text = String::new();
        for change in &found.first {
            let (sign, key) = match change {
                Change::Added(key) => ('+', key),
                Change::Removed(key) => ('-', key),
            };
            text.push_str(&format!("  {sign} {}\n", key.replace(SEPARATOR as char, ", ")));
        }
        let more = found.added + found.removed - found.first.len() as u64;
        if more > 0 {
            text.push_str(&format!("  … {} more: --show N names more of them\n", figures::count(more)));
        }
        let (added, removed) = (figures::count(found.added), figures::count(found.removed));
        print(&format!("{text}{name} v{from} to v{to}  {added} added, {removed} removed\n"))?;
        Ok(Exit::Done)
    })
}
