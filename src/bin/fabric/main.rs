//! The `fabric` executable: one small file per command, each of which parses, wires and runs.

mod check;
mod command;
mod completions;
mod definitions;
mod exit;
mod feeds;
mod generate;
mod globals;
mod settings;
mod source;

#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod doctor;
#[cfg(feature = "server")]
mod edits;
#[cfg(feature = "server")]
mod ingest;
#[cfg(feature = "server")]
mod jobs;
#[cfg(feature = "server")]
mod lane;
#[cfg(feature = "server")]
mod migrate;
#[cfg(feature = "server")]
mod recover;
#[cfg(feature = "server")]
mod references;
#[cfg(feature = "server")]
mod rejects;
#[cfg(feature = "server")]
mod role;
#[cfg(feature = "server")]
mod schemas;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod steward;
#[cfg(feature = "server")]
mod streams;
#[cfg(feature = "server")]
mod templates;
#[cfg(feature = "server")]
mod top;
#[cfg(feature = "server")]
mod topics;
#[cfg(feature = "server")]
mod validate;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    exit::run(|| {
        #[cfg(feature = "faults")]
        fabric::faults::arm()?;
        command::Cli::parse().run()
    })
}
