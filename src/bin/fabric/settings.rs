//! `fabric settings`

use fabric::report::{Align, table};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};

/// Show every setting: its value, where that came from, and what it is for; secrets are masked
///
/// A flag (--set KEY=VALUE) goes over the environment, that over the file (--settings FILE), that over the default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric settings --set validate.workers=4")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let shown = globals.effective(&[])?.shown();
    if args.json {
        print_json(&shown)?;
    } else {
        let heads =
            [("setting", Align::Left), ("value", Align::Left), ("from", Align::Left), ("what it is", Align::Left)];
        let rows: Vec<_> = shown
            .into_iter()
            .map(|setting| vec![setting.key, setting.value, setting.origin, setting.description])
            .collect();
        print(&table("", &heads, &rows))?;
    }
    Ok(Exit::Done)
}
