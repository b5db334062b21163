//! The fault suite: `dev/faults --help`.

mod arguments;
#[expect(dead_code, reason = "the integration tests use the rest")]
#[path = "../it/database.rs"]
mod database;
mod dice;
mod feeds;
#[expect(dead_code, reason = "the integration tests use the rest")]
#[path = "../it/installation.rs"]
mod installation;
mod outcome;
mod points;
#[expect(dead_code, reason = "the integration tests use the rest")]
#[path = "../it/producers/program.rs"]
mod program;
#[path = "../it/outages/proxied.rs"]
mod proxied;
#[expect(dead_code, reason = "the integration tests use the rest")]
#[path = "../proxy/mod.rs"]
mod proxy;
mod reader;
mod records;
mod run;
mod scenario;
mod session;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_all().build();
    match runtime.expect("a runtime").block_on(session::session(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::from(2)
        }
    }
}
