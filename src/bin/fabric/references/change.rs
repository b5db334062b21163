//! `fabric references activate|rollback|retire NAME`

use fabric::config::references;

use crate::exit::Exit;
use crate::globals::{Globals, print};
use crate::server;

/// Make a version the one that new jobs use
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references activate branches 3")]
pub struct ActivateArgs {
    name: String,
    version: i32,
    /// Why: kept in the audit log
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

/// Go back to an earlier version
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references rollback branches --message 'v4 lacks Basel'")]
pub struct RollbackArgs {
    name: String,
    /// Which [default: the one before the active one]
    version: Option<i32>,
    /// Why: kept in the audit log
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

/// Take a set out of use: no new job may look it up; its versions stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references retire branches")]
pub struct RetireArgs {
    name: String,
    /// Why: kept in the audit log
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

pub fn activate(globals: &Globals, args: ActivateArgs) -> anyhow::Result<Exit> {
    let ActivateArgs { name, version, message } = &args;
    server::run(globals, async |server| {
        let before = references::activate(&server.pool, name, *version, message.as_deref()).await?;
        print(&format!("{name} v{version}  active{}\n", instead(before, *version)))?;
        Ok(Exit::Done)
    })
}

pub fn rollback(globals: &Globals, args: RollbackArgs) -> anyhow::Result<Exit> {
    let RollbackArgs { name, version, message } = &args;
    server::run(globals, async |server| {
        let (before, now) = references::rollback(&server.pool, name, *version, message.as_deref()).await?;
        print(&format!("{name} v{now}  active{}\n", instead(before, now)))?;
        Ok(Exit::Done)
    })
}

fn instead(before: i32, now: i32) -> String {
    if before == now { String::new() } else { format!(", instead of v{before}") }
}

pub fn retire(globals: &Globals, args: RetireArgs) -> anyhow::Result<Exit> {
    let RetireArgs { name, message } = &args;
    server::run(globals, async |server| {
        references::retire(&server.pool, name, message.as_deref()).await?;
        print(&format!("{name}  retired\n"))?;
        Ok(Exit::Done)
    })
}
