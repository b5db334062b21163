//! The command line: every subcommand and what runs it.

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::globals::Globals;
#[cfg(feature = "server")]
use crate::{
    audit, config, doctor, ingest, jobs, migrate, recover, references, rejects, schemas, steward, streams, templates,
    top, topics, validate,
};
use crate::{check, completions, feeds, generate, settings};

/// Loads large files of records into Postgres through Kafka: every record checked, counted, and committed exactly once.
///
/// Exit codes: 0 done; 1 the system failed; 2 usage; 3 the data's doing (over a threshold, a duplicate file, chunks
/// missing).
#[derive(Parser)]
#[command(name = "fabric", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    #[cfg(feature = "server")]
    Ingest(ingest::Args),
    Feeds(feeds::Args),
    #[cfg(feature = "server")]
    Templates(templates::Args),
    #[cfg(feature = "server")]
    References(references::Args),
    #[cfg(feature = "server")]
    Schemas(schemas::Args),
    #[cfg(feature = "server")]
    Audit(audit::Args),
    #[cfg(feature = "server")]
    Config(config::Args),
    #[cfg(feature = "server")]
    Jobs(jobs::Args),
    #[cfg(feature = "server")]
    Rejects(rejects::Args),
    #[cfg(feature = "server")]
    Streams(streams::Args),
    #[cfg(feature = "server")]
    Validate(validate::Args),
    #[cfg(feature = "server")]
    Steward(steward::Args),
    #[cfg(feature = "server")]
    Topics(topics::Args),
    #[cfg(feature = "server")]
    Migrate(migrate::Args),
    #[cfg(feature = "server")]
    Recover(recover::Args),
    #[cfg(feature = "server")]
    Doctor(doctor::Args),
    #[cfg(feature = "server")]
    Top(top::Args),
    Generate(generate::Args),
    Settings(settings::Args),
    Completions(completions::Args),
}

impl Cli {
    pub fn run(self) -> anyhow::Result<Exit> {
        let globals = &self.globals;
        match self.command {
            Command::Check(args) => check::run(globals, args),
            #[cfg(feature = "server")]
            Command::Ingest(args) => ingest::run(globals, args),
            Command::Feeds(args) => feeds::run(globals, args),
            #[cfg(feature = "server")]
            Command::Templates(args) => templates::run(globals, args),
            #[cfg(feature = "server")]
            Command::References(args) => references::run(globals, args),
            #[cfg(feature = "server")]
            Command::Schemas(args) => schemas::run(globals, args),
            #[cfg(feature = "server")]
            Command::Audit(args) => audit::run(globals, args),
            #[cfg(feature = "server")]
            Command::Config(args) => config::run(globals, args),
            #[cfg(feature = "server")]
            Command::Jobs(args) => jobs::run(globals, args),
            #[cfg(feature = "server")]
            Command::Rejects(args) => rejects::run(globals, args),
            #[cfg(feature = "server")]
            Command::Streams(args) => streams::run(globals, args),
            #[cfg(feature = "server")]
            Command::Validate(args) => validate::run(globals, args),
            #[cfg(feature = "server")]
            Command::Steward(args) => steward::run(globals, args),
            #[cfg(feature = "server")]
            Command::Topics(args) => topics::run(globals, args),
            #[cfg(feature = "server")]
            Command::Migrate(args) => migrate::run(globals, args),
            #[cfg(feature = "server")]
            Command::Recover(args) => recover::run(globals, args),
            #[cfg(feature = "server")]
            Command::Doctor(args) => doctor::run(globals, args),
            #[cfg(feature = "server")]
            Command::Top(args) => top::run(globals, args),
            Command::Generate(args) => generate::run(args),
            Command::Settings(args) => settings::run(globals, args),
            Command::Completions(args) => completions::run(args),
        }
    }
}
