//! A job that is cancelled while it loads.

use std::time::Duration;

use super::{LEDGER_ROWS, RECORDS, SOME, begin, installation};
use crate::accounting::account_of_ledger;

#[tokio::test]
async fn nothing_of_a_cancelled_job_commits_after_the_answer() {
    let mut installation = installation().await;
    // A small backlog keeps the publisher in the middle of its file too.
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (installation.validator(), installation.validator());
    let (mut ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    installation.succeed(&["jobs", "cancel", &job.to_string(), "--yes"]);

    let count = async || {
        let database = &installation.database;
        (
            database.number(LEDGER_ROWS).await,
            database.number("select count(*) from card_transactions").await,
            database.number("select count(*) from fabric.rejects").await,
        )
    };
    let at_the_answer = count().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(count().await, at_the_answer);
    assert!(at_the_answer.1 < RECORDS as i64, "cancelled in the middle");
    let report = installation.json(3, &["jobs", "wait", &job.to_string(), "--json"]);
    assert_eq!(report["state"], "stopped");
    assert_eq!(ingest.wait(Duration::from_secs(30)), Some(3), "{}", ingest.log());

    // What did commit stands in whole chunks: of the file, exactly the bytes that the ledger names.
    let account = account_of_ledger(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(account.loaded as i64, at_the_answer.1);
    assert_eq!(account.rejected as i64, at_the_answer.2);
}
