//! `fabric feeds apply FILE…`

use std::path::PathBuf;

use fabric::config::{self, Edit};
use fabric::feed::{self, Templates};
use fabric::report::figures;

use crate::definitions::{self, Document};
use crate::edits::{self, EditArgs, TargetArgs};
use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print};
use crate::server;

/// Check feed definitions and make them the versions that new jobs use
///
/// All files are checked before any is applied. The same document twice is the same version, so this can be repeated.
/// Where a feed says `approval: required`, somebody else has to activate what is applied.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric feeds apply examples/card-transactions.yaml --message \"two more currencies\""
)]
pub struct Args {
    /// Feed definitions (YAML)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    edits::one_file_to_base(&args.files, &args.edit)?;
    let documents = definitions::read(&args.files)?;
    // Without a server as far as that goes: most mistakes need none.
    if documents.iter().all(|document| feed::extended_by(&document.text).is_empty()) {
        refuse_faults(&documents, &Templates::new())?;
    }
    server::run(globals, async |server| {
        refuse_faults(&documents, &config::active_templates(&server.pool).await?)?;
        let edit = Edit { target: args.target.change(), ..args.edit.edit() };
        for document in &documents {
            let load = &server.settings.load;
            let edited = config::edit_feed(&server.pool, &document.name, &document.text, &edit, load).await?;
            print(&edits::told("feeds", &edited))?;
        }
        Ok(Exit::Done)
    })
}

/// Every fault of every file is told at once.
fn refuse_faults(documents: &[Document], templates: &Templates) -> anyhow::Result<()> {
    let (mut told, mut faults) = (String::new(), 0);
    for document in documents {
        if let Err(found) = feed::resolve(&document.name, &document.text, templates) {
            told.push_str(&found.to_string());
            faults += found.faults.len() as u64;
        }
    }
    if faults > 0 {
        let count = figures::counted(faults, "error", "errors");
        return Err(Refused(format!("{told}{count}; nothing was applied")).into());
    }
    Ok(())
}
