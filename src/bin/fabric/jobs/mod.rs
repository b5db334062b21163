//! `fabric jobs`: what people ask of jobs.

mod change;
mod list;
mod publish;
mod show;

use clap::Subcommand;
use fabric::chunk::JobId;

use crate::exit::{Exit, Refused};
use crate::globals::Globals;

/// Jobs: list them, show one, wait for one, cancel or resume one; open one for a program that publishes by itself
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs show 2")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::Args),
    Show(show::ShowArgs),
    Wait(show::WaitArgs),
    Cancel(change::CancelArgs),
    Resume(change::ResumeArgs),
    Open(publish::OpenArgs),
    Renew(publish::RenewArgs),
    Close(publish::CloseArgs),
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::List(args) => list::run(globals, args),
        What::Show(args) => show::show(globals, args),
        What::Wait(args) => show::wait(globals, args),
        What::Cancel(args) => change::cancel(globals, args),
        What::Resume(args) => change::resume(globals, args),
        What::Open(args) => publish::open(globals, args),
        What::Renew(args) => publish::renew(globals, args),
        What::Close(args) => publish::close(globals, args),
    }
}

fn no_job(job: JobId) -> Refused {
    Refused(format!("there is no job {job}: fabric jobs list"))
}
