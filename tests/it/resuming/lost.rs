//! Chunks that no lane holds any more: the steward names them, and publishing them again completes the job.

use nix::sys::signal::Signal;

use super::{completes, installation, lane, publish, waited, without_ledger_row};

#[tokio::test]
async fn lost_chunks_make_a_job_incomplete_by_name_and_only_they_are_sent_again() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 20_000);
    let job = publish(&installation, &file);
    let topic = lane::normal(&installation);
    let published = lane::sent(&topic);
    lane::empty(&topic, 0..3).await;
    let _validator = installation.validator();

    let report = waited(&installation, 3, job);
    assert_eq!(report["state"], "incomplete", "{report}");
    let reason = report["reason"].as_str().unwrap();
    let lost = published - installation.database.number(super::LEDGER_ROWS).await;
    let first: Vec<String> = without_ledger_row(&installation, job, "-").await.split(", ").map(str::to_owned).collect();
    let named = format!("chunks are missing ({lost}): {}, …; no lane holds them any more", first[..10].join(", "));
    assert!(reason.starts_with(&named), "{reason}\n{named}");
    let shown = installation.succeed(&["jobs", "show", &job.to_string()]);
    let named = format!("  not loaded  {}\n", without_ledger_row(&installation, job, "–").await);
    assert!(shown.contains(&named), "{shown}\n{named}");

    let resumed = installation.json(0, &["ingest", "--resume", &job.to_string(), "--wait", "--json"]);
    assert_eq!(resumed["state"], "completed");
    assert_eq!(lane::sent(&topic) - published, lost, "what was loaded is not sent again");
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_job_whose_lane_is_deleted_is_incomplete_and_completes_once_it_is_back() {
    let mut installation = installation().await;
    let file = installation.card_transactions("cards.txt", 10_000);
    let steward = installation.start(&["steward"]);
    let job = publish(&installation, &file);
    lane::delete(&lane::normal(&installation)).await;

    let report = waited(&installation, 3, job);
    assert_eq!(report["state"], "incomplete", "{report}");
    installation.set("FABRIC_INGEST_PATIENCE", "1s");
    let output = super::said(&installation, 1, &["ingest", "--resume", &job.to_string()]);
    assert!(output.contains("run `fabric topics apply`"), "{output}");
    assert_eq!(waited(&installation, 3, job)["state"], "incomplete", "as it was");
    steward.terminate();

    installation.succeed(&["topics", "apply"]);
    let _validator = installation.validator();
    installation.succeed(&["jobs", "resume", &job.to_string()]);
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn validators_at_work_survive_their_lane_and_take_up_the_new_one() {
    let installation = installation().await;
    let first = installation.card_transactions("first.txt", 2_000);
    let validator = installation.validator();
    installation.json(0, &["ingest", "card-transactions", &first, "--wait", "--json"]);
    // So that the independent reader finds the second job's rows alone.
    installation.database.run("truncate card_transactions").await;

    validator.signal(Signal::SIGSTOP);
    let file = installation.card_transactions("cards.txt", 20_000);
    let job = publish(&installation, &file);
    lane::delete(&lane::normal(&installation)).await;
    validator.signal(Signal::SIGCONT);
    assert_eq!(waited(&installation, 3, job)["state"], "incomplete");

    installation.succeed(&["topics", "apply"]);
    installation.succeed(&["jobs", "resume", &job.to_string()]);
    completes(&installation, job, &file).await;
}
