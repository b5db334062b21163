//! What a program states at the close is held against what it published.

use super::installation;
use super::program::open;
use crate::accounting::account;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_closed_with_chunks_missing_names_them_and_goes_on_with_those_alone() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let _validator = installation.validator();
    let program = open(&installation, &file, &["card-transactions"]);
    for seq in [0, 2, 3] {
        program.publish(&program.pieces[seq]).await;
    }
    assert_eq!(program.close(&installation).0, 0);
    let report = program.wait(&installation, 3);
    assert_eq!(report["state"], "incomplete");
    assert!(report["reason"].as_str().unwrap().starts_with("chunks are missing (2): 1, 4"), "{report}");

    let job = program.job.to_string();
    let opened = installation.json(0, &["jobs", "open", "--resume", &job, "--json"]);
    assert_eq!((&opened["goesOn"], &opened["loaded"]), (&true.into(), &serde_json::json!([[0, 0], [2, 3]])));
    let again = super::program::Program::of(&opened, &file);
    for seq in [1, 4] {
        again.publish(&again.pieces[seq]).await;
    }
    assert_eq!(again.close(&installation).0, 0);
    assert_eq!(again.wait(&installation, 0)["state"], "completed");
    account(&installation.database.pool, program.job, file.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_do_not_agree_with_the_chunks_fail_the_job_and_say_how() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let _validator = installation.validator();
    for (chunks, records, reason) in [
        (5, 299, "the publisher counted 299 records, the chunks held 300"),
        (4, 240, "chunk 4 is loaded, but the publisher closed the job with 4 chunks"),
    ] {
        let program = open(&installation, &file, &["card-transactions", "--again"]);
        program.publish_all().await;
        let loaded = format!("select count(*) from fabric.chunk_ledger where job_id = {}", program.job);
        installation.until(5, &loaded).await;
        assert_eq!(program.close_with(&installation, chunks, records).0, 0);
        let report = program.wait(&installation, 3);
        assert_eq!((&report["state"], &report["reason"]), (&"failed".into(), &reason.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_closed_once_and_repeating_it_is_safe() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 120);
    let program = open(&installation, &file, &["card-transactions"]);
    program.publish_all().await;
    assert_eq!(program.close(&installation).0, 0);
    assert_eq!(program.close(&installation).0, 0);
    let (code, _, said) = program.close_with(&installation, 2, 119);
    assert!(code == 3 && said.contains("was closed before, with 2 chunks, 120 records"), "{code} {said}");
    let _validator = installation.validator();
    assert_eq!(program.wait(&installation, 0)["state"], "completed");
    assert_eq!(program.close(&installation).0, 0, "a late repetition");
}
