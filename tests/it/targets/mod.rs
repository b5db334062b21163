//! Targets at fault: their own feed's jobs are parked and go on by themselves once they are mended; nobody else waits.
//! Each test ends with the independent reader.

mod mended;
mod neighbour;

use crate::accounting::{Account, account};
use crate::installation::{Installation, Process};

/// Some 320 chunks of 32 KiB.
const RECORDS: u64 = 60_000;

const LEDGER_ROWS: &str = "select count(*) from fabric.chunk_ledger";
const PARKED: &str = "select count(*) from fabric.jobs where state = 'parked'";
const OWED: &str = "select count(*) from fabric.owed_chunks";

async fn installation() -> Installation {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "32768");
    installation.set("FABRIC_STEWARD_PROBE_INTERVAL", "200ms");
    installation.apply_card_transactions();
    installation
}

/// Starts publishing and answers the job's id at once.
async fn begin(installation: &Installation, file: &str) -> (Process, i64) {
    let ingest = installation.start(&["ingest", "card-transactions", file]);
    installation.until(1, "select count(*) from fabric.jobs").await;
    (ingest, installation.database.number("select max(job_id) from fabric.jobs").await)
}

/// Waits until the job has completed, though it may be parked meanwhile, and holds it against the file.
async fn completes(installation: &Installation, job: i64, file: &str) -> Account {
    let completed = format!("select count(*) from fabric.jobs where job_id = {job} and state = 'completed'");
    installation.until(1, &completed).await;
    assert_eq!(installation.database.number(OWED).await, 0, "a job that has ended owes nothing");
    account(&installation.database.pool, job, file.as_ref()).await
}
