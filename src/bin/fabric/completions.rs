//! `fabric completions SHELL`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::command::Cli;
use crate::exit::Exit;
use crate::globals::print;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  source <(fabric completions bash)")]
pub struct Args {
    shell: Shell,
}

pub fn run(args: Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fabric", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
