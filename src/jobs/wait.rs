//! Waits until a job needs no more waiting for.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

use super::change::ChangeError;
use super::query::state_of;
use crate::chunk::JobId;
use crate::ledger::JobState;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// Answers once the job has ended or is parked ([`JobState::exit_code`] says which), or after `timeout` with the
/// state that it has then. Looks every 100 ms at first, then less often, down to once a second.
pub async fn wait(
    pool: &PgPool,
    job: JobId,
    timeout: Option<Duration>,
) -> Result<(JobState, Option<String>), ChangeError> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut pause = FIRST;
    loop {
        let (state, reason) = state_of(pool, job).await?.ok_or(ChangeError::NoJob(job))?;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if state.exit_code().is_some() || left == Some(Duration::ZERO) {
            return Ok((state, reason));
        }
        tokio::time::sleep(left.map_or(pause, |left| left.min(pause))).await;
        pause = (pause * 2).min(LONGEST);
    }
}
