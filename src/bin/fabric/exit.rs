//! How a process ends: one place that turns what happened into words on standard error and an exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use fabric::feed::Faults;
use fabric::settings::SettingFaults;
use fabric::source::SourceError;

/// See `fabric --help`: programs depend on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    SystemFailed = 1,
    Usage = 2,
    /// Over a threshold, a control that does not reconcile, a duplicate file, chunks missing.
    Data = 3,
}

#[cfg(feature = "server")]
impl Exit {
    /// Of a job that was waited for.
    pub fn of_job(state: fabric::ledger::JobState) -> Self {
        match state.exit_code() {
            Some(0) => Self::Done,
            Some(3) => Self::Data,
            Some(_) | None => Self::SystemFailed,
        }
    }
}

/// What a person asked for cannot be done as asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs a command to its exit code. A fault of fabric's own is one line; `RUST_BACKTRACE` brings the trace.
pub fn run(command: impl FnOnce() -> anyhow::Result<Exit> + std::panic::UnwindSafe) -> ExitCode {
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
        std::panic::set_hook(Box::new(|panic| {
            let reason = panic.payload_as_str().unwrap_or("unknown");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            eprintln!("a fault of fabric's own: {} ({place}); RUST_BACKTRACE=1 tells more", reason.replace('\n', " "));
        }));
    }
    match std::panic::catch_unwind(command) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => fail(&error).into(),
        Err(_panic) => Exit::SystemFailed.into(),
    }
}

fn fail(error: &anyhow::Error) -> Exit {
    // Whoever read our output has enough of it (`fabric jobs list | head`).
    if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_broken_pipe)) {
        return Exit::Done;
    }
    eprintln!("{}", format!("{error:#}").trim_end());
    if error.chain().any(is_usage) { Exit::Usage } else { Exit::SystemFailed }
}

/// Whether the person can put it right by asking otherwise.
fn is_usage(cause: &(dyn std::error::Error + 'static)) -> bool {
    let of_path = cause.downcast_ref().is_some_and(SourceError::is_unreachable);
    of_path
        || asks_for_what_is_not(cause)
        || cause.is::<Refused>()
        || cause.is::<SettingFaults>()
        || cause.is::<Faults>()
}

/// A feed, a reference set or a job that is not there, or a job that is not in a state for it.
#[cfg(feature = "server")]
fn asks_for_what_is_not(cause: &(dyn std::error::Error + 'static)) -> bool {
    use fabric::config::{ConfigError, SchemaError, references::ReferenceError};
    use fabric::jobs::ChangeError;
    let of_config = cause.downcast_ref().is_some_and(ConfigError::is_usage);
    let of_schema = cause.downcast_ref().is_some_and(SchemaError::is_usage);
    let of_set = cause.downcast_ref().is_some_and(ReferenceError::is_usage);
    let of_job = |error: &ChangeError| matches!(error, ChangeError::NoJob(_) | ChangeError::NotAllowed { .. });
    of_config || of_schema || of_set || cause.downcast_ref().is_some_and(of_job)
}

#[cfg(not(feature = "server"))]
fn asks_for_what_is_not(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
