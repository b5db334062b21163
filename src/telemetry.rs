//! Turns what happens into log lines: structured, one per event, never a field's value.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::LogSettings;

/// librdkafka tells of every lost connection, again and again; our roles say it once, in words. `FABRIC_LOG` can ask
/// for it: `info,librdkafka=debug`.
const QUIET: &str = "librdkafka=off,rdkafka=error,sqlx=warn";

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log.filter: `{filter}` is not a filter ({reason}); try info, or fabric=debug")]
    Filter { filter: String, reason: String },
}

/// Sends log lines to standard error: text for people, JSON where the settings say so. Called once per process; a
/// second call changes nothing.
pub fn init(settings: &LogSettings) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.filter))
        .map_err(|error| TelemetryError::Filter { filter: settings.filter.clone(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let first = if settings.json {
        lines.json().flatten_event(true).try_init()
    } else {
        let colour =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        lines.with_ansi(colour).try_init()
    };
    if first.is_ok() {
        log_panics();
    }
    Ok(())
}

/// A panic is one line of the log, like everything else; `RUST_BACKTRACE` brings the trace.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("unknown");
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!(place, %trace, "a fault of fabric's own: {reason}");
        } else {
            tracing::error!(place, "a fault of fabric's own: {reason}");
        }
    }));
}
