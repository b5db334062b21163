//! A lane that is deleted and made anew within seconds, with a job open: its offsets begin at zero again, and no client
//! is told that it is another topic.

use nix::sys::signal::Signal;

use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::installation::Installation;
use crate::resuming::lane;

/// Deletes the lane and applies the topics at once.
async fn make_anew(installation: &Installation) {
    lane::delete(&lane::normal(installation)).await;
    installation.succeed(&["topics", "apply"]);
}

/// Waits until the job has come to something; resumed where chunks are missing, it must complete.
async fn comes_to_its_end(installation: &Installation, job: i64, file: &str) {
    let id = job.to_string();
    let waited = installation.run(&["jobs", "wait", &id, "--timeout", "90s", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&waited.stdout).unwrap();
    if report["state"] == "incomplete" {
        assert!(report["reason"].as_str().unwrap().starts_with("chunks are missing ("), "{report}");
        installation.succeed(&["jobs", "resume", &id]);
    }
    completes(installation, job, file).await;
}

#[tokio::test]
async fn in_the_middle_of_publishing_and_loading() {
    let mut installation = installation().await;
    super::stay_in_mid_file(&mut installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (installation.validator(), installation.validator());
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    make_anew(&installation).await;
    comes_to_its_end(&installation, job, &file).await;
}

#[tokio::test]
async fn when_all_is_published_and_nothing_is_loaded() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let published = installation.json(0, &["ingest", "card-transactions", &file, "--json"]);
    make_anew(&installation).await;
    let _validator = installation.validator();
    comes_to_its_end(&installation, published["job"].as_i64().unwrap(), &file).await;
}

#[tokio::test]
async fn and_filled_past_where_a_sleeping_validator_stopped() {
    let installation = installation().await;
    let first = installation.card_transactions("first.txt", RECORDS / 20);
    let validator = installation.validator();
    installation.json(0, &["ingest", "card-transactions", &first, "--wait", "--json"]);
    installation.database.run("truncate card_transactions").await;
    validator.signal(Signal::SIGSTOP);
    make_anew(&installation).await;
    // Ten times as many chunks as the validator has seen: it may believe that it has seen the first of these.
    let file = installation.card_transactions("cards.txt", RECORDS);
    let published = installation.json(0, &["ingest", "card-transactions", &file, "--json"]);
    validator.signal(Signal::SIGCONT);
    comes_to_its_end(&installation, published["job"].as_i64().unwrap(), &file).await;
}
