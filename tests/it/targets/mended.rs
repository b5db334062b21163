//! A mended target is found by the steward, whatever was wrong with it.

use super::{LEDGER_ROWS, OWED, PARKED, RECORDS, begin, completes, installation};
use crate::installation::Installation;
use crate::resuming::lane;

/// Breaks the target in mid-load, awaits that its job is parked, mends it, and awaits that the job completes by itself.
async fn goes_on_by_itself(installation: &Installation, breaks: &str, said: &str, mends: &str) {
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validator = installation.validator();
    let (mut ingest, job) = begin(installation, &file).await;
    installation.until(5, LEDGER_ROWS).await;
    installation.database.run(breaks).await;
    installation.until(1, PARKED).await;
    installation.until(20, OWED).await;
    let shown = installation.succeed(&["jobs", "show", &job.to_string()]);
    assert!(shown.contains(said), "{shown}");
    assert_eq!(ingest.wait(std::time::Duration::from_secs(30)), Some(0), "{}", ingest.log());

    installation.database.run(mends).await;
    assert_eq!(completes(installation, job, &file).await.records as u64, RECORDS);
}

#[tokio::test]
async fn a_right_that_is_granted_again_is_noticed() {
    goes_on_by_itself(
        &installation().await,
        "revoke insert on card_transactions from current_user",
        "grant the right to insert; then the job goes on by itself",
        "grant insert on card_transactions to current_user",
    )
    .await;
}

#[tokio::test]
async fn a_dropped_table_that_is_back_is_noticed() {
    goes_on_by_itself(
        &installation().await,
        "alter table card_transactions rename to gone",
        "put it back as the feed has it",
        "alter table gone rename to card_transactions",
    )
    .await;
}

#[tokio::test]
async fn a_target_that_only_looks_whole_is_tried_with_one_chunk_at_a_time() {
    let installation = installation().await;
    goes_on_by_itself(
        &installation,
        "create function refuse() returns trigger language plpgsql as
            $$ begin raise 'no room' using errcode = 'insufficient_privilege'; end $$;
         create trigger refuse before insert on card_transactions for each row execute function refuse()",
        "no room (SQLSTATE 42501)",
        "drop trigger refuse on card_transactions",
    )
    .await;
    let copies = lane::sent(&lane::normal(&installation)) - installation.database.number(LEDGER_ROWS).await;
    let owed = installation.database.number("select chunks::bigint from fabric.jobs").await;
    assert!(copies < owed, "{copies} chunks were sent again of at most {owed} that were owed");
}

#[tokio::test]
async fn what_no_lane_holds_any_more_is_named_and_cut_from_the_file_by_a_resume() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 10_000);
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--json"]);
    let job = report["job"].as_i64().unwrap();
    let chunks = installation.database.number("select chunks::bigint from fabric.jobs").await;
    installation.database.run("revoke insert on card_transactions from current_user").await;
    let _validator = installation.validator();
    installation.until(chunks, OWED).await;
    lane::empty(&lane::normal(&installation), 0..12).await;

    installation.database.run("grant insert on card_transactions to current_user").await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'incomplete'").await;
    let report = installation.json(3, &["jobs", "wait", &job.to_string(), "--json"]);
    let reason = report["reason"].as_str().unwrap();
    let named = format!("in no lane any more ({chunks}): 0-{}; `fabric jobs resume {job}`", chunks - 1);
    assert!(report["state"] == "incomplete" && reason.contains(&named), "{report}");
    installation.succeed(&["jobs", "resume", &job.to_string()]);
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_parked_job_whose_publisher_died_says_who_can_read_its_file_to_the_end() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_LEASE", "3s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    installation.database.run("revoke insert on card_transactions from current_user").await;
    let _validator = installation.validator();
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(20, OWED).await;
    ingest.kill();
    installation.until(1, "select count(*) from fabric.jobs where lease_until < clock_timestamp()").await;

    installation.database.run("grant insert on card_transactions to current_user").await;
    let said = format!("its publisher is gone: `fabric jobs resume {job}`, where its file lies, reads it to its end");
    installation
        .until(1, &format!("select count(*) from fabric.jobs where (state, reason) = ('stalled', '{said}')"))
        .await;
    installation.until(20, LEDGER_ROWS).await;
    installation.succeed(&["jobs", "resume", &job.to_string()]);
    completes(&installation, job, &file).await;
}
