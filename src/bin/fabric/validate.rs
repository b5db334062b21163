//! `fabric validate`

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fabric::config::{Live, Prepares};
use fabric::settings::Settings;
use fabric::shutdown::{self, Shutdown};
use fabric::streams::{self, Beside};
use fabric::telemetry::{Health, Role};
use fabric::validate::{self, ValidateError};
use fabric::{postgres, steward};

use crate::exit::Exit;
use crate::globals::{Globals, SettingFlag};
use crate::role;

/// Run a member of the consumer group: check records and load them, until SIGTERM
///
/// Any number may run; each also stands for election as steward. SIGTERM finishes the chunks in flight; killing it
/// loses nothing and doubles nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric validate --workers 4 --loaders 2")]
pub struct Args {
    /// Threads that parse and judge (validate.workers)
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Connections that load (validate.loaders)
    #[arg(long, value_name = "N")]
    loaders: Option<String>,
    /// Consume only chunks of files, or only record topics
    #[arg(long, value_name = "WHAT")]
    only: Option<Only>,
}

/// What a fleet of its own consumes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Only {
    Lanes,
    Streams,
}

/// How long connections to Postgres may take to close.
const FAREWELL: Duration = Duration::from_secs(2);

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let flags = [
        SettingFlag { flag: "--workers", key: "validate.workers", value: args.workers },
        SettingFlag { flag: "--loaders", key: "validate.loaders", value: args.loaders },
    ];
    let only = args.only;
    role::run(globals, Role::Validate, &flags, async |settings, shutdown, health| {
        let pool = postgres::pool(&settings.postgres, "fabric validate")?;
        let live = Live::start(&settings, pool.clone(), Arc::clone(&health), Prepares::Plans)?;
        let candidate = steward::run(settings.clone(), shutdown.clone(), Arc::clone(&health), Arc::clone(&live));
        let candidate = tokio::spawn(candidate);
        let validated = consume(only, settings, shutdown, health, live).await;
        if validated.is_err() {
            // The process ends: its seat must be free at once.
            candidate.abort();
        }
        // A server that does not answer must not keep the process.
        tokio::time::timeout(FAREWELL, pool.close()).await.ok();
        validated?;
        candidate.await.context("the steward's candidate ended unexpectedly")??;
        Ok(())
    })
}

/// Lanes and streams side by side: where one of them ends, so does the other.
async fn consume(
    only: Option<Only>,
    settings: Settings,
    mut shutdown: Shutdown,
    health: Arc<Health>,
    live: Arc<Live>,
) -> Result<(), ValidateError> {
    match only {
        Some(Only::Lanes) => validate::run(settings, shutdown, health, live).await,
        Some(Only::Streams) => streams::run(settings, shutdown, health, live, Beside::Nothing).await,
        None => {
            let (trigger, due) = shutdown::channel();
            let lanes = validate::run(settings.clone(), due.clone(), Arc::clone(&health), Arc::clone(&live));
            let streams = streams::run(settings, due, health, live, Beside::Lanes);
            tokio::pin!(lanes, streams);
            tokio::select! {
                ended = &mut lanes => {
                    trigger.fire();
                    ended.and(streams.await)
                }
                ended = &mut streams => {
                    trigger.fire();
                    ended.and(lanes.await)
                }
                () = shutdown.due() => {
                    trigger.fire();
                    let (lanes, streams) = tokio::join!(lanes, streams);
                    lanes.and(streams)
                }
            }
        }
    }
}
