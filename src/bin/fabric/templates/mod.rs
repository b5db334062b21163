//! `fabric templates`: what to do with the parts that feeds extend.

mod apply;
mod stored;

use clap::Subcommand;
use fabric::config::{Change, Kind};

use crate::edits::{self, ActivateArgs, DiffArgs, HistoryArgs, PropagateArgs, RetireArgs, RollbackArgs};
use crate::exit::Exit;
use crate::globals::{Globals, print_json};

/// Templates, the parts that feeds extend: apply them, list them, go back, retire them, print their JSON Schema
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric templates apply examples/templates/pii-rules.yaml")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Apply(apply::Args),
    List(stored::ListArgs),
    Show(stored::ShowArgs),
    /// List a template's versions: who applied them, when and why
    #[command(after_help = "Example:\n  fabric templates history pii-rules")]
    History(HistoryArgs),
    /// Show what differs between two versions of a template
    #[command(after_help = "Example:\n  fabric templates diff pii-rules 1 2")]
    Diff(DiffArgs),
    /// Make a version of a template the active one
    #[command(after_help = "Example:\n  fabric templates activate pii-rules 2 --propagate")]
    Activate {
        #[command(flatten)]
        args: ActivateArgs,
        #[command(flatten)]
        propagate: PropagateArgs,
    },
    /// Go back to the version of a template that was active before
    #[command(after_help = "Example:\n  fabric templates rollback pii-rules --propagate")]
    Rollback {
        #[command(flatten)]
        args: RollbackArgs,
        #[command(flatten)]
        propagate: PropagateArgs,
    },
    /// Retire a template that nothing extends
    #[command(after_help = "Example:\n  fabric templates retire pii-rules --message \"merged into card-layout\"")]
    Retire(RetireArgs),
    /// Print the JSON Schema of a template, for editors
    #[command(after_help = "Example:\n  fabric templates schema > template.schema.json")]
    Schema,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let change = |propagate: PropagateArgs| Change { propagate: propagate.propagate(), ..Change::default() };
    match args.what {
        What::Apply(args) => apply::run(globals, args),
        What::List(args) => stored::list(globals, args),
        What::Show(args) => stored::show(globals, args),
        What::History(args) => edits::history(globals, Kind::Template, &args),
        What::Diff(args) => edits::diff(globals, Kind::Template, &args),
        What::Activate { args, propagate } => edits::activate(globals, Kind::Template, &args, change(propagate)),
        What::Rollback { args, propagate } => edits::roll_back(globals, Kind::Template, &args, change(propagate)),
        What::Retire(args) => edits::retire(globals, Kind::Template, &args),
        What::Schema => {
            print_json(&fabric::feed::template_json_schema())?;
            Ok(Exit::Done)
        }
    }
}
