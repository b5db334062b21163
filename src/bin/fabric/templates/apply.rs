//! `fabric templates apply FILE…`

use std::path::PathBuf;

use fabric::config;

use crate::definitions;
use crate::edits::{self, EditArgs, PropagateArgs};
use crate::exit::Exit;
use crate::globals::{Globals, print};
use crate::server;

/// Check templates and make them the versions that feeds extend from now on
///
/// A feed keeps the version of a template with which it was applied. What is told are the feeds that the new version
/// would change; --propagate makes their new versions in the same step.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric templates apply examples/templates/pii-rules.yaml --propagate")]
pub struct Args {
    /// Templates (YAML), those that others extend first
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    propagate: PropagateArgs,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    edits::one_file_to_base(&args.files, &args.edit)?;
    let documents = definitions::read(&args.files)?;
    server::run(globals, async |server| {
        let (edit, propagate) = (args.edit.edit(), args.propagate.propagate());
        for document in &documents {
            let load = &server.settings.load;
            let done = config::edit_template(&server.pool, &document.name, &document.text, &edit, propagate, load);
            let done = done.await?;
            print(&edits::told("templates", &done.edited))?;
            print(&edits::told_of_feeds(&done.edited.name, &done.touched))?;
        }
        Ok(Exit::Done)
    })
}
