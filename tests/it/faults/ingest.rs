//! Publishers that are killed.

use super::{RECORDS, begin, completes, installation};

#[tokio::test]
async fn an_ingest_killed_and_run_again_goes_on_with_its_job() {
    let mut installation = installation().await;
    // A small backlog keeps the publisher in the middle of its file until chunks are loaded.
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'publishing'").await;
    ingest.kill();

    let _validator = installation.validator();
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    assert_eq!(report["job"], job, "the same job goes on");
    assert_eq!(installation.database.number("select count(*) from fabric.jobs").await, 1);
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn an_ingest_killed_in_mid_load_is_resumed_by_its_job() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validator = installation.validator();
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(super::SOME, super::LEDGER_ROWS).await;
    ingest.kill();
    let report = installation.json(0, &["ingest", "--resume", &job.to_string(), "--wait", "--json"]);
    assert_eq!(report["job"], job);
    completes(&installation, job, &file).await;
}
