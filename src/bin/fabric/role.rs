//! Wires a process that stays up: log, runtime, signals, the steward's candidate beside its work.

use fabric::settings::Settings;
use fabric::shutdown::{self, Shutdown, Trigger};
use fabric::telemetry;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::globals::{Globals, SettingFlag};
use crate::server;

/// Runs `work` until it ends or a signal asks for it. A second signal ends the process at once.
pub fn run(
    globals: &Globals,
    flags: &[SettingFlag],
    work: impl AsyncFnOnce(Settings, Shutdown) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let settings = globals.effective(flags)?.settings;
    telemetry::init(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(watch_signals(trigger));
        work(settings.clone(), shutdown).await
    });
    done.map_err(|error| server::describe(error, &settings))?;
    Ok(Exit::Done)
}

async fn watch_signals(trigger: Trigger) {
    let streams = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = streams else {
        tracing::error!("this system gives no signals: SIGTERM will end the process at once");
        return std::future::pending().await;
    };
    next_signal(&mut terminate, &mut interrupt).await;
    tracing::info!("ending: chunks in flight finish first; a second signal ends at once");
    trigger.fire();
    std::process::exit(next_signal(&mut terminate, &mut interrupt).await)
}

/// 128 + the signal's number, as shells have it.
async fn next_signal(terminate: &mut tokio::signal::unix::Signal, interrupt: &mut tokio::signal::unix::Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => 143,
        _ = interrupt.recv() => 130,
    }
}
