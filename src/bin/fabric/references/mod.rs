//! `fabric references`: the keys that `reference` rules look up.

mod change;
mod diff;
mod shown;
mod store;

use clap::Subcommand;

use crate::exit::Exit;
use crate::globals::Globals;

/// Reference sets: load them, see them and their versions, choose the active one
///
/// A job pins the versions that are active when it is registered, and is judged by them to its end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references load branches branches.csv --columns code")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Load(store::LoadArgs),
    Append(store::AppendArgs),
    List(shown::ListArgs),
    Show(shown::ShowArgs),
    History(shown::HistoryArgs),
    Diff(diff::Args),
    Activate(change::ActivateArgs),
    Rollback(change::RollbackArgs),
    Retire(change::RetireArgs),
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::Load(args) => store::load(globals, args),
        What::Append(args) => store::append(globals, args),
        What::List(args) => shown::list(globals, args),
        What::Show(args) => shown::show(globals, args),
        What::History(args) => shown::history(globals, args),
        What::Diff(args) => diff::run(globals, args),
        What::Activate(args) => change::activate(globals, args),
        What::Rollback(args) => change::rollback(globals, args),
        What::Retire(args) => change::retire(globals, args),
    }
}
