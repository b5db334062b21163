//! `fabric feeds`: what to do with feed definitions.

#[cfg(feature = "server")]
mod apply;
#[cfg(feature = "server")]
mod stored;

use clap::Subcommand;

use crate::exit::Exit;
use crate::globals::{Globals, print_json};

/// Feed definitions: apply them, list them, show one, print their JSON Schema
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric feeds apply examples/card-transactions.yaml")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[cfg(feature = "server")]
    Apply(apply::Args),
    #[cfg(feature = "server")]
    List(stored::ListArgs),
    #[cfg(feature = "server")]
    Show(stored::ShowArgs),
    /// Print the JSON Schema of a feed definition, for editors
    #[command(after_help = "Example:\n  fabric feeds schema > feed.schema.json")]
    Schema,
}

#[cfg_attr(not(feature = "server"), expect(unused_variables, reason = "the schema needs no settings"))]
pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        #[cfg(feature = "server")]
        What::Apply(args) => apply::run(globals, args),
        #[cfg(feature = "server")]
        What::List(args) => stored::list(globals, args),
        #[cfg(feature = "server")]
        What::Show(args) => stored::show(globals, args),
        What::Schema => {
            print_json(&fabric::feed::json_schema())?;
            Ok(Exit::Done)
        }
    }
}
