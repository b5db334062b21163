//! Wires a process that stays up: log, runtime, signals, the steward's candidate beside its work.

use std::sync::Arc;

use fabric::settings::Settings;
use fabric::shutdown::{self, Shutdown, Trigger};
use fabric::telemetry::{self, Endpoint, EndpointError, Health, Metrics, Role};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::globals::{Globals, SettingFlag};
use crate::server;

/// Runs `work` until it ends or a signal asks for it, and answers meanwhile how it is. A second signal ends the process
/// at once.
pub fn run(
    globals: &Globals,
    role: Role,
    flags: &[SettingFlag],
    work: impl AsyncFnOnce(Settings, Shutdown, Arc<Health>) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let settings = globals.effective(flags)?.settings;
    telemetry::init(&settings.log)?;
    let endpoint = Endpoint::listen("http.listen", &settings.http.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(watch_signals(trigger));
        let health = Health::new(role);
        tracing::info!("health and metrics on http://{}", endpoint.address());
        serve(endpoint, role, &health)?;
        work(settings.clone(), shutdown, health).await
    });
    done.map_err(|error| server::describe(error, &settings))?;
    Ok(Exit::Done)
}

/// Counts, and answers, from now on.
pub fn serve(endpoint: Endpoint, role: Role, health: &Arc<Health>) -> anyhow::Result<()> {
    let metrics = Metrics::install(role).ok_or(EndpointError::Twice)?;
    Ok(endpoint.serve(Arc::clone(health), metrics)?)
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
