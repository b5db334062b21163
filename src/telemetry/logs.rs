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
        super::panics::log_panics();
    }
    Ok(())
}
