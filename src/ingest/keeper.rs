//! Keeps a job's lease while its file is published, and tells the publication what the job has come to.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use super::publication::{Halt, Publication};
use super::vanished::Vigil;
use crate::chunk::{JobId, TokenHash};
use crate::jobs::{self, Renewed};
use crate::shutdown::Shutdown;
use crate::telemetry::{Statement, timed};

/// Between two looks while the backlog is full.
const LOOK: Duration = Duration::from_millis(100);

/// What keeping a lease needs.
pub struct Keeper {
    pub pool: PgPool,
    pub job: JobId,
    pub token: TokenHash,
    pub lease: Duration,
    pub publication: Arc<Publication>,
    pub vigil: Vigil,
}

impl Keeper {
    /// Runs until it is dropped, or the job or this process is to end.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        // At once, though whoever registered the job has just leased it: that is what tells that it is being published.
        let mut renew_at = Instant::now();
        loop {
            if Instant::now() >= renew_at {
                if self.renew().await.is_break() {
                    return;
                }
                // Three tries before the lease runs out.
                renew_at = Instant::now() + self.lease / 3;
            }
            if self.publication.backlog_is_full() {
                self.look_at_backlog().await;
            } else {
                self.vigil.rest();
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = shutdown.due() => return self.publication.halt(Halt::Interrupted),
            }
        }
    }

    async fn renew(&self) -> std::ops::ControlFlow<()> {
        let renewed = jobs::renew_lease(&self.pool, self.job, self.token, self.lease);
        match timed(Statement::RenewLease, renewed).await {
            Ok(Renewed::Held { state, .. } | Renewed::Taken { state, .. }) if !state.takes_chunks() => {
                self.publication.halt(Halt::JobEnded(state));
                std::ops::ControlFlow::Break(())
            }
            Ok(_) => std::ops::ControlFlow::Continue(()),
            Err(error) => {
                // Publishing goes on: the ledger fences whoever else might take the job up.
                tracing::warn!(job = self.job.0, %error, "the job's lease could not be renewed; trying again");
                std::ops::ControlFlow::Continue(())
            }
        }
    }

    async fn look_at_backlog(&mut self) {
        let answer = self.vigil.answer().await;
        match timed(Statement::Backlog, jobs::backlog(&self.pool, self.job)).await {
            Ok(backlog) => {
                self.publication.set_loaded(backlog.loaded);
                if self.vigil.look(answer, backlog, self.publication.acknowledged()) {
                    self.publication.halt(Halt::Vanished);
                }
            }
            Err(error) => tracing::warn!(job = self.job.0, %error, "the job's progress could not be read"),
        }
    }
}
