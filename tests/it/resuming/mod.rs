//! Jobs that stop half way and are brought back: parked, incomplete, stalled. Each test ends with the independent reader.

mod events;
pub mod lane;
mod lost;
mod other_file;
mod outbox;
mod parked;
mod stalled;
mod vanished;

use crate::accounting::{Account, account};
use crate::installation::{Installation, Process, told};

/// Some 320 chunks of 32 KiB.
const RECORDS: u64 = 60_000;

const LEDGER_ROWS: &str = "select count(*) from fabric.chunk_ledger";

async fn installation() -> Installation {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "32768");
    installation.apply_card_transactions();
    installation
}

/// Keeps publishers in the middle of their files for as long as nothing is loaded.
fn with_a_small_backlog(mut installation: Installation) -> Installation {
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation
}

/// Publishes a whole file; answers its job.
fn publish(installation: &Installation, file: &str) -> i64 {
    let report = installation.json(0, &["ingest", "card-transactions", file, "--json"]);
    report["job"].as_i64().unwrap()
}

/// Starts publishing and answers the job's id at once.
async fn begin(installation: &Installation, file: &str) -> (Process, i64) {
    let ingest = installation.start(&["ingest", "card-transactions", file]);
    installation.until(1, "select count(*) from fabric.jobs").await;
    (ingest, installation.database.number("select max(job_id) from fabric.jobs").await)
}

/// The report of a job that needs no more waiting for; `code` is how the wait must end.
fn waited(installation: &Installation, code: i32, job: i64) -> serde_json::Value {
    installation.json(code, &["jobs", "wait", &job.to_string(), "--timeout", "60s", "--json"])
}

/// Waits for the job's end and holds it against the file.
async fn completes(installation: &Installation, job: i64, file: &str) -> Account {
    let report = waited(installation, 0, job);
    assert_eq!(report["state"], "completed", "{report}");
    let account = account(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(report["records"], account.records);
    assert_eq!(report["loaded"], account.loaded);
    assert_eq!(report["rejected"], account.rejected);
    assert!(account.rejected > 0, "the file has known bad records");
    let owed = "select count(*) from fabric.owed_chunks";
    assert_eq!(installation.database.number(owed).await, 0, "a job that has ended owes nothing");
    account
}

/// Runs to the expected exit code; answers what it said on standard output and standard error.
fn said(installation: &Installation, code: i32, arguments: &[&str]) -> String {
    let output = installation.run(arguments);
    assert_eq!(output.status.code(), Some(code), "fabric {arguments:?}\n{}", told(&output));
    told(&output)
}

/// Ranges of the seqs from 0 to `chunks` that have no ledger row: `3, 7-9`.
async fn without_ledger_row(installation: &Installation, job: i64, dash: &str) -> String {
    let seqs: Vec<i32> = sqlx::query_scalar(
        "select s from fabric.jobs j cross join generate_series(0, j.chunks - 1) s
          where j.job_id = $1 and not exists (select from fabric.chunk_ledger l where l.job_id = $1 and l.seq = s)
          order by s",
    )
    .bind(job)
    .fetch_all(&installation.database.pool)
    .await
    .unwrap();
    let runs = seqs.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}{dash}{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(", ")
}
