//! A target at fault parks its jobs, and no other; mended, they go on with what they owe.

use super::{LEDGER_ROWS, RECORDS, begin, completes, installation, lane, publish, said, waited};
use crate::installation::Installation;

const ACCOUNTED: &str = "select (select count(*) from fabric.chunk_ledger) + (select count(*) from fabric.owed_chunks)";

/// Mended targets wait for people.
async fn by_hand() -> Installation {
    let mut installation = installation().await;
    installation.set("FABRIC_STEWARD_PROBE_INTERVAL", "1h");
    installation
}

/// A feed like `card-transactions` whose records go elsewhere.
fn apply_other_feed(installation: &Installation) {
    let feed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml")).unwrap();
    let feed = feed.replace("card-transactions", "other-cards").replace("card_transactions", "other_cards");
    let path = installation.write("other-cards.yaml", feed);
    installation.succeed(&["feeds", "apply", &path]);
}

#[tokio::test]
async fn a_job_whose_target_refuses_it_parks_alone_and_goes_on_with_what_it_owes() {
    let installation = by_hand().await;
    apply_other_feed(&installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let other = installation.card_transactions("other.txt", 2_000);
    let _validator = installation.validator();
    let (mut ingest, job) = begin(&installation, &file).await;
    installation.until(5, LEDGER_ROWS).await;
    installation.database.run("revoke insert on card_transactions from current_user").await;

    let report = waited(&installation, 1, job);
    assert_eq!(report["state"], "parked", "{report}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("target public.card_transactions cannot take records"), "{reason}");
    assert!(
        reason.contains(&format!(
            "grant the right to insert; then the job goes on by itself, at once by `fabric jobs resume {job}`"
        )),
        "{reason}"
    );

    // Its publisher is not held up, and another feed's job is loaded.
    assert_eq!(ingest.wait(std::time::Duration::from_secs(30)), Some(0), "{}", ingest.log());
    let done = installation.json(0, &["ingest", "other-cards", &other, "--wait", "--json"]);
    assert_eq!(done["state"], "completed", "{done}");

    let chunks = installation.database.number("select sum(chunks) from fabric.jobs").await;
    installation.until(chunks, ACCOUNTED).await;
    let owed = installation.database.number("select count(*) from fabric.owed_chunks").await;
    let shown = installation.succeed(&["jobs", "show", &job.to_string()]);
    assert_eq!(shown.matches("  owed        chunk ").count() as i64, owed, "{shown}");

    installation.database.run("grant insert on card_transactions to current_user").await;
    let before = lane::sent(&lane::normal(&installation));
    let answer = installation.succeed(&["jobs", "resume", &job.to_string()]);
    assert_eq!(answer, format!("job {job}  resumed; {owed} chunks that it owed went to the end of the lane\n"));
    assert_eq!(lane::sent(&lane::normal(&installation)) - before, owed);
    assert_eq!(completes(&installation, job, &file).await.records as u64, RECORDS);
    said(&installation, 2, &["jobs", "resume", &job.to_string()]);
}

#[tokio::test]
async fn what_a_parked_job_owes_and_no_lane_holds_is_cut_from_its_file_again() {
    let installation = by_hand().await;
    let file = installation.card_transactions("cards.txt", 10_000);
    let job = publish(&installation, &file);
    installation.database.run("drop table card_transactions").await;
    let _validator = installation.validator();
    let reason = waited(&installation, 1, job)["reason"].to_string();
    assert!(reason.contains("42P01") && reason.contains("put it back as the feed has it"), "{reason}");
    let chunks = installation.database.number("select sum(chunks) from fabric.jobs").await;
    installation.until(chunks, ACCOUNTED).await;

    lane::empty(&lane::normal(&installation), 0..3).await;
    installation.apply_card_transactions();
    let answer = said(&installation, 0, &["jobs", "resume", &job.to_string()]);
    assert!(answer.contains("are in no lane any more: the file is read again"), "{answer}");
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_parked_job_whose_publisher_is_gone_is_read_to_its_end() {
    let installation = super::with_a_small_backlog(by_hand().await);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'publishing'").await;
    installation.database.run("revoke insert on card_transactions from current_user").await;
    let validator = installation.validator();
    waited(&installation, 1, job);
    ingest.kill();
    installation.database.run("update fabric.jobs set lease_until = clock_timestamp()").await;
    // None is under way any more, to be refused by the target of before and park the job again.
    installation.until(lane::sent(&lane::normal(&installation)), "select count(*) from fabric.owed_chunks").await;

    installation.database.run("grant insert on card_transactions to current_user").await;
    let answer = said(&installation, 0, &["jobs", "resume", &job.to_string()]);
    assert!(answer.contains("its publisher is gone: the file is read again"), "{answer}");
    completes(&installation, job, &file).await;
    drop(validator);
}
