//! A validator that is asked to end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::held_target::{HeldTarget, PATIENT};
use super::member::committed;
use super::publisher::kafka_of;
use crate::accounting::account;
use crate::installation::Installation;

const RECORDS: u64 = 60_000;

/// The setting's default.
const GRACE: Duration = Duration::from_secs(25);

async fn installation() -> Installation {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "65536");
    installation.apply_card_transactions();
    installation
}

async fn another_completes(installation: &Installation, job: i64, file: &str) {
    let _validator = installation.validator();
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--timeout", "60s", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    account(&installation.database.pool, job, file.as_ref()).await;
}

#[tokio::test]
async fn a_validator_that_ends_in_mid_load_finishes_what_it_has_and_leaves_the_rest_to_others() {
    let mut installation = installation().await;
    installation.set(PATIENT.0, PATIENT.1);
    installation.set("FABRIC_VALIDATE_QUEUE_BYTES", "4MiB");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let job = installation.json(0, &["ingest", "card-transactions", &file, "--json"])["job"].as_i64().unwrap();
    let target = HeldTarget::hold(&installation).await;
    let mut validator = installation.validator();
    target.until_waited_for(&installation, 2).await;
    validator.signal(Signal::SIGTERM);
    validator.until_says("chunks in flight finish first", Duration::from_secs(10)).await;
    target.release().await;
    assert_eq!(validator.wait(GRACE), Some(0), "{}", validator.log());

    // Everything that it had begun is loaded, and committed: nothing comes twice.
    let loaded = installation.database.number("select count(*) from fabric.chunk_ledger").await;
    let published = installation.database.number("select chunks::bigint from fabric.jobs").await;
    assert!(0 < loaded && loaded < published, "{loaded} of {published}");
    assert_eq!(committed_messages(&installation).await, loaded);
    another_completes(&installation, job, &file).await;
}

async fn committed_messages(installation: &Installation) -> i64 {
    let kafka = kafka_of(installation);
    let mut messages = 0;
    for partition in 0..8 {
        messages += committed(&kafka, kafka.name("chunks.normal"), partition).await.0.unwrap_or(0);
    }
    messages
}

#[tokio::test]
async fn a_validator_whose_loads_are_stuck_ends_once_its_grace_is_over() {
    let mut installation = installation().await;
    installation.set(PATIENT.0, PATIENT.1);
    installation.set("FABRIC_VALIDATE_GRACE", "2s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let job = installation.json(0, &["ingest", "card-transactions", &file, "--json"])["job"].as_i64().unwrap();
    let target = HeldTarget::hold(&installation).await;
    let validator = installation.validator();
    target.until_waited_for(&installation, 2).await;
    let began = Instant::now();
    validator.terminate();
    assert!(began.elapsed() < Duration::from_secs(7), "2 s of grace and its farewells: {:?}", began.elapsed());
    target.release().await;
    another_completes(&installation, job, &file).await;
}
