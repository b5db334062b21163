//! `fabric feeds apply FILE…`

use std::path::PathBuf;

use fabric::config::{self, Applied};
use fabric::feed;
use fabric::report::figures;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print};
use crate::server;

/// Check feed definitions and make them the versions that new jobs use
///
/// All files are checked before any is applied. The same document twice is the same version, so this can be repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric feeds apply examples/card-transactions.yaml")]
pub struct Args {
    /// Feed definitions (YAML)
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

struct Document {
    name: String,
    text: String,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let documents = read(&args.files)?;
    server::run(globals, async |server| {
        for document in &documents {
            let load = &server.settings.load;
            let (feed, applied) = config::apply_feed(&server.pool, &document.name, &document.text, load).await?;
            print(&match applied {
                Applied::New { version } => format!("{feed} v{version}  applied\n"),
                Applied::Unchanged { version } => format!("{feed} v{version}  unchanged\n"),
            })?;
        }
        Ok(Exit::Done)
    })
}

/// Reads and checks them all; every fault of every file is told at once.
fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    let (mut told, mut faults) = (String::new(), 0);
    for path in files {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                if let Err(found) = feed::parse(&name, &text) {
                    told.push_str(&found.to_string());
                    faults += found.faults.len() as u64;
                }
                documents.push(Document { name, text });
            }
            Err(error) => {
                told.push_str(&format!("{name}  cannot be read: {error}\n"));
                faults += 1;
            }
        }
    }
    if faults > 0 {
        let count = figures::counted(faults, "error", "errors");
        return Err(Refused(format!("{told}{count}; nothing was applied")).into());
    }
    Ok(documents)
}
