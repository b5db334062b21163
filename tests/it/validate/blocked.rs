//! The group goes on while a target does not.

use std::time::Duration;

use super::held_target::{HeldTarget, PATIENT};
use crate::accounting::account;
use crate::installation::Installation;

const RECORDS: u64 = 60_000;

async fn installation() -> Installation {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "65536");
    installation.set("FABRIC_STEWARD_PROBE_INTERVAL", "200ms");
    installation.apply_card_transactions();
    installation
}

/// Publishes the file with no validator there, answers the job.
fn publish(installation: &Installation, file: &str) -> i64 {
    installation.json(0, &["ingest", "card-transactions", file, "--json"])["job"].as_i64().unwrap()
}

/// Waits until the job has completed; what was set aside while its target was held is sent again by the steward.
async fn completes(installation: &Installation, job: i64, file: &str) {
    let completed = format!("select count(*) from fabric.jobs where job_id = {job} and state = 'completed'");
    installation.until(1, &completed).await;
    let account = account(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(account.records as u64, RECORDS);
}

async fn join_while_held(installation: Installation) {
    let file = installation.card_transactions("cards.txt", RECORDS);
    let job = publish(&installation, &file);
    let target = HeldTarget::hold(&installation).await;
    let first = installation.validator();
    target.until_waited_for(&installation, 2).await;
    let second = installation.validator();
    first.until_says("partitions revoked", Duration::from_secs(15)).await;
    // Only what it is assigned names the lane.
    second.until_says(".chunks.normal ", Duration::from_secs(15)).await;
    assert_eq!(installation.database.number("select count(*) from fabric.chunk_ledger").await, 0);
    target.release().await;
    completes(&installation, job, &file).await;
    first.terminate();
    second.terminate();
}

#[tokio::test]
async fn a_member_that_joins_while_loads_wait_for_a_lock_gets_its_partitions_and_nothing_doubles() {
    let mut installation = installation().await;
    installation.set(PATIENT.0, PATIENT.1);
    join_while_held(installation).await;
}

#[tokio::test]
async fn a_member_that_joins_while_loads_give_up_on_a_lock_gets_its_partitions_and_nothing_doubles() {
    join_while_held(installation().await).await;
}

#[tokio::test]
async fn a_file_on_the_high_lane_loads_while_the_normal_lane_is_full_and_stuck() {
    let mut installation = installation().await;
    installation.set(PATIENT.0, PATIENT.1);
    installation.set("FABRIC_VALIDATE_QUEUE_BYTES", "4MiB");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let example = std::fs::read_to_string("examples/card-transactions.yaml").unwrap();
    let urgent = example.replace("feed: card-transactions", "feed: urgent").replace("card_transactions", "urgent");
    installation.succeed(&["feeds", "apply", &installation.write("urgent.yaml", urgent)]);
    let job = publish(&installation, &file);
    let target = HeldTarget::hold(&installation).await;
    let _validator = installation.validator();
    target.until_waited_for(&installation, 2).await;

    let few = installation.card_transactions("few.txt", 2_000);
    let report = installation.json(0, &["ingest", "urgent", &few, "--lane", "high", "--wait", "--json"]);
    assert_eq!((&report["state"], &report["records"]), (&"completed".into(), &2_000.into()), "{report}");
    let of_normal = format!("select count(*) from fabric.chunk_ledger where job_id = {job}");
    assert_eq!(installation.database.number(&of_normal).await, 0, "the normal lane still waits");
    target.release().await;
    completes(&installation, job, &file).await;
}
