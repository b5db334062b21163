//! A failpoint's name into what is to happen there.

use std::io::Write as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sqlx::{AssertSqlSafe, PgConnection};

use super::arming::is_armed;

/// What the step is to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Error,
}

/// On a thread that may wait.
pub fn point(name: &'static str) {
    let _ = act(name);
}

/// In a task.
pub async fn step(name: &'static str) {
    let _ = act_aside(name).await;
}

/// Before a statement. An error is the server's, and what is under way on the connection is undone by it: 40001, as where
/// two transactions cannot both be.
pub async fn statement(name: &'static str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match act_aside(name).await {
        Said::Nothing => Ok(()),
        Said::Error => {
            let raise = format!("do $$ begin raise exception 'failpoint {name}' using errcode = '40001'; end $$");
            sqlx::raw_sql(AssertSqlSafe(raise)).execute(connection).await.map(drop)
        }
    }
}

/// After a statement that the server has carried out: an error is a connection that was lost before it could say so.
pub async fn answer(name: &'static str) -> Result<(), sqlx::Error> {
    match act_aside(name).await {
        Said::Nothing => Ok(()),
        Said::Error => Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())),
    }
}

/// Where a broker answers: an error is that it did not in time.
pub fn kafka(name: &'static str) -> Result<(), KafkaError> {
    match act(name) {
        Said::Nothing => Ok(()),
        Said::Error => Err(KafkaError::Global(RDKafkaErrorCode::RequestTimedOut)),
    }
}

/// On a thread of its own where anything is to happen: a runtime's must not sleep.
async fn act_aside(name: &'static str) -> Said {
    if !is_armed(name) {
        return Said::Nothing;
    }
    match tokio::task::spawn_blocking(move || act(name)).await {
        Ok(said) => said,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => Said::Nothing,
        },
    }
}

fn act(name: &'static str) -> Said {
    let Some(what) = due(name) else { return Said::Nothing };
    // Whoever reads it may have gone.
    let _ = writeln!(std::io::stderr(), "failpoint {name}: {what}");
    match what.as_str() {
        "kill" => signal(Signal::SIGKILL),
        "stop" => signal(Signal::SIGSTOP),
        _ => Said::Error,
    }
}

/// The argument of `return`, where that is what is due.
fn due(name: &'static str) -> Option<String> {
    fail::fail_point!(name, |argument| argument);
    None
}

fn signal(signal: Signal) -> Said {
    kill(getpid(), signal).expect("a process may signal itself");
    Said::Nothing
}
