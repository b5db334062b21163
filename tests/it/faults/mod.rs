//! Whatever is killed, frozen or restarted in mid-load: nothing lost, nothing doubled. Each test ends with an
//! independent reader that compares every record of the file with Postgres.

mod cancelling;
mod ingest;
mod points;
mod postgres;
mod quarantine;
mod restored;
mod validators;

use crate::accounting::{Account, account};
use crate::installation::{Installation, Process};

/// Enough chunks that a fault can strike in the middle.
pub const RECORDS: u64 = 200_000;

/// Small chunks: many transactions, many chances to be struck.
const CHUNK_BYTES: &str = "65536";

/// How many of them make the middle of a load.
pub const SOME: i64 = 40;

pub const LEDGER_ROWS: &str = "select count(*) from fabric.chunk_ledger";

pub async fn installation() -> Installation {
    prepared(Installation::new().await)
}

pub fn prepared(mut installation: Installation) -> Installation {
    installation.set("FABRIC_INGEST_CHUNK_BYTES", CHUNK_BYTES);
    installation.apply_card_transactions();
    installation
}

/// Starts publishing and answers the job's id at once.
pub async fn begin(installation: &Installation, file: &str) -> (Process, i64) {
    let ingest = installation.start(&["ingest", "card-transactions", file]);
    installation.until(1, "select count(*) from fabric.jobs").await;
    (ingest, installation.database.number("select max(job_id) from fabric.jobs").await)
}

/// Waits for the job's end and holds it against the file.
pub async fn completes(installation: &Installation, job: i64, file: &str) -> Account {
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--timeout", "120s", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    let account = account(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(report["records"], account.records);
    assert_eq!(report["loaded"], account.loaded);
    assert_eq!(report["rejected"], account.rejected);
    assert_eq!(account.records as u64, RECORDS);
    assert!(account.rejected > 0, "the file has known bad records");
    account
}
