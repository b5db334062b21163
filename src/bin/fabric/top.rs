//! `fabric top`

use std::io::IsTerminal as _;

use fabric::shutdown;
use fabric::top::{self, Reader};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Watch jobs, lanes, processes and rejects while they go on
///
/// Shown anew every second until q or Ctrl-C. Where standard output is no terminal, one snapshot is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric top --once")]
pub struct Args {
    /// Print one snapshot as text
    #[arg(long)]
    once: bool,
    /// Print one snapshot as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let mut reader = Reader::new(server.settings.clone(), server.pool.clone());
        if args.json {
            print_json(&top::snapshot(&mut reader).await?)?;
        } else if args.once || !std::io::stdout().is_terminal() {
            print(&top::text(&top::snapshot(&mut reader).await?))?;
        } else {
            // The first answer before the screen is taken: what is wrong is told in plain words.
            reader.read().await?;
            let (trigger, shutdown) = shutdown::channel();
            let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                    _ = interrupt.recv() => {}
                }
                trigger.fire();
                std::future::pending::<()>().await;
            });
            top::live(reader, shutdown).await?;
        }
        Ok(Exit::Done)
    })
}
