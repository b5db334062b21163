//! Sees that a load waits for a lock of its target, while it waits.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::evict::evict_blockers;
use super::gate::Pass;
use super::loader::blame_for;
use crate::feed::Feed;

/// A load that takes no longer is not looked at; most are over by then.
const FIRST_LOOK: Duration = Duration::from_millis(300);
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// One load between its fence and its commit.
pub(super) struct Watch<'l> {
    /// The load's own connection cannot be asked while it waits.
    pub aside: &'l PgPool,
    pub pid: i32,
    pub evict_after: Duration,
    pub pass: &'l Pass,
    pub feed: &'l Feed,
}

impl Watch<'_> {
    /// Until it is dropped. While the load waits for a lock, its feed's gate is told, and a frozen loader of ours that
    /// holds the lock is evicted.
    pub async fn run(self) -> Infallible {
        let began = Instant::now();
        tokio::time::sleep(FIRST_LOOK).await;
        loop {
            match self.look().await {
                Ok(true) => {
                    self.pass.held(began, &blame_for(self.feed, "a load waits for a lock of it", "55P03"));
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "could not see what a load waits for"),
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn look(&self) -> Result<bool, sqlx::Error> {
        let mut connection = self.aside.acquire().await?;
        let waits = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock')",
        )
        .bind(self.pid)
        .fetch_one(&mut *connection)
        .await?;
        if waits {
            evict_blockers(&mut connection, self.pid, self.evict_after).await?;
        }
        Ok(waits)
    }
}
