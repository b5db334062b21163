//! `fabric migrate`

use fabric::postgres;
use fabric::report::figures;

use crate::exit::Exit;
use crate::globals::{Globals, print};
use crate::server;

/// Bring fabric's own tables in Postgres to what this release needs; can be repeated
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric migrate")]
pub struct Args {}

pub fn run(globals: &Globals, _: Args) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        match postgres::migrate(&server.pool).await? {
            0 => print("nothing to migrate\n")?,
            new => print(&format!("{} applied\n", figures::counted(new as u64, "migration", "migrations")))?,
        }
        Ok(Exit::Done)
    })
}
