//! Times a statement by its name: where SQL stands, around the future that runs it.

use std::time::Instant;

use super::catalog::{STAGE, STATEMENT};

/// The statements that a running process sends again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Opens a loading transaction: locks, ledger rows, savepoint; waits for locks included.
    Fence,
    CopyRows,
    CopyRejects,
    Commit,
    /// The slow path: a COPY again, record by record where it must be.
    Isolate,
    /// What a job pins.
    JobPins,
    FeedVersion,
    /// The keys of a reference set, whole.
    ReferenceSet,
    /// Whether a chunk has its ledger row.
    ChunkIsKnown,
    RenewLease,
    /// How far what a publisher sent has come.
    Backlog,
    CloseJob,
    /// The steward's sums of live jobs.
    LiveJobs,
    /// The outbox's next rows.
    Outbox,
    /// What is active.
    ConfigCurrent,
    /// One that asks nothing: whether Postgres answers.
    Probe,
}

impl Statement {
    pub const NAMES: &[&str] = &[
        "fence",
        "copy_rows",
        "copy_rejects",
        "commit",
        "isolate",
        "job_pins",
        "feed_version",
        "reference_set",
        "chunk_is_known",
        "renew_lease",
        "backlog",
        "close_job",
        "live_jobs",
        "outbox",
        "config_current",
        "probe",
    ];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Of a chunk's way.
    fn stage(self) -> Option<&'static str> {
        match self {
            Self::Fence => Some("fence"),
            Self::CopyRows | Self::CopyRejects => Some("copy"),
            Self::Commit => Some("commit"),
            _ => None,
        }
    }
}

/// Runs a statement and counts how long it took, whatever came of it.
pub async fn timed<T>(statement: Statement, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    let took = began.elapsed();
    STATEMENT.observe(&[statement.name()], took);
    if let Some(stage) = statement.stage() {
        STAGE.observe(&[stage], took);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_its_name() {
        assert_eq!(Statement::Fence.name(), "fence");
        assert_eq!(Statement::Probe.name(), "probe");
        assert_eq!(Statement::Probe as usize + 1, Statement::NAMES.len());
    }
}
