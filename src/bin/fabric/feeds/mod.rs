//! `fabric feeds`: what to do with feed definitions.

#[cfg(feature = "server")]
mod apply;
mod schema;
#[cfg(feature = "server")]
mod stored;

use clap::Subcommand;
#[cfg(feature = "server")]
use fabric::config::{Change, Kind};

#[cfg(feature = "server")]
use crate::edits::{self, ActivateArgs, DiffArgs, HistoryArgs, RetireArgs, RollbackArgs, TargetArgs};
use crate::exit::Exit;
use crate::globals::Globals;

/// Feed definitions: apply them, list them, show one, go back, retire one, print schemas
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
    #[cfg(feature = "server")]
    /// List a feed's versions: who applied them, when and why
    #[command(after_help = "Example:\n  fabric feeds history card-transactions")]
    History(HistoryArgs),
    #[cfg(feature = "server")]
    /// Show what differs between two versions of a feed
    #[command(after_help = "Example:\n  fabric feeds diff card-transactions 1 2")]
    Diff(DiffArgs),
    #[cfg(feature = "server")]
    /// Make a version of a feed the one that new jobs use, approving it where it needs that
    #[command(after_help = "Example:\n  fabric feeds activate card-transactions 2 --message \"checked with audit\"")]
    Activate {
        #[command(flatten)]
        args: ActivateArgs,
        #[command(flatten)]
        target: TargetArgs,
    },
    #[cfg(feature = "server")]
    /// Go back to the version of a feed that was active before
    #[command(after_help = "Example:\n  fabric feeds rollback card-transactions --message \"too strict\"")]
    Rollback {
        #[command(flatten)]
        args: RollbackArgs,
        #[command(flatten)]
        target: TargetArgs,
    },
    #[cfg(feature = "server")]
    /// Retire a feed: it takes no new jobs, those that run go on
    #[command(after_help = "Example:\n  fabric feeds retire card-transactions --message \"replaced by card-events\"")]
    Retire(RetireArgs),
    Schema(schema::Args),
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        #[cfg(feature = "server")]
        What::Apply(args) => apply::run(globals, args),
        #[cfg(feature = "server")]
        What::List(args) => stored::list(globals, args),
        #[cfg(feature = "server")]
        What::Show(args) => stored::show(globals, args),
        #[cfg(feature = "server")]
        What::History(args) => edits::history(globals, Kind::Feed, &args),
        #[cfg(feature = "server")]
        What::Diff(args) => edits::diff(globals, Kind::Feed, &args),
        #[cfg(feature = "server")]
        What::Activate { args, target } => edits::activate(globals, Kind::Feed, &args, change(&target)),
        #[cfg(feature = "server")]
        What::Rollback { args, target } => edits::roll_back(globals, Kind::Feed, &args, change(&target)),
        #[cfg(feature = "server")]
        What::Retire(args) => edits::retire(globals, Kind::Feed, &args),
        What::Schema(args) => schema::run(globals, args),
    }
}

#[cfg(feature = "server")]
fn change(target: &TargetArgs) -> Change<'static> {
    Change { target: target.change(), ..Change::default() }
}
