//! `fabric streams`: what people ask of record topics, and do to them.

mod change;
mod describe;
mod rejects;
mod shown;
mod subject;
mod topic;

use clap::Subcommand;

use crate::exit::{Exit, Refused};
use crate::globals::Globals;

/// Streams: list them, show one and its rejects, pause, resume, seek, accept a gap
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams show payments")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(shown::ListArgs),
    Show(shown::ShowArgs),
    Describe(describe::Args),
    Rejects(rejects::Args),
    Pause(change::PauseArgs),
    Resume(change::ResumeArgs),
    Seek(change::SeekArgs),
    AcceptGap(change::AcceptGapArgs),
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::List(args) => shown::list(globals, args),
        What::Show(args) => shown::show(globals, args),
        What::Describe(args) => describe::run(globals, args),
        What::Rejects(args) => rejects::run(globals, args),
        What::Pause(args) => change::pause(globals, args),
        What::Resume(args) => change::resume(globals, args),
        What::Seek(args) => change::seek(globals, args),
        What::AcceptGap(args) => change::accept_gap(globals, args),
    }
}

fn no_stream(feed: &str) -> Refused {
    Refused(format!("feed {feed} is no stream: fabric streams list"))
}
