//! Chunks of a clumsy or hostile program that has a token: each ends where it is found, and costs its own job alone.

use super::program::{Program, open};
use super::{LEDGER_ROWS, installation};
use crate::accounting::account;
use crate::installation::Installation;
use crate::validate::dead_letters::letters;

async fn opened(installation: &Installation) -> (Program, String) {
    let file = installation.card_transactions("cards.txt", 300);
    (open(installation, &file, &["card-transactions", "--again"]), file)
}

async fn noted(installation: &Installation, words: &str) {
    installation.until(1, &format!("select count(*) from fabric.job_notes where note like '%{words}%'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_after_the_job_has_completed_is_a_dead_letter_and_the_job_stays_completed() {
    let installation = installation().await;
    let (program, file) = opened(&installation).await;
    let _validator = installation.validator();
    program.publish_all().await;
    assert_eq!(program.close(&installation).0, 0);
    program.wait(&installation, 0);
    // The same once more is none.
    program.publish(&program.pieces[2]).await;
    let mut beyond = program.pieces[4].clone();
    beyond.seq = 5;
    program.publish(&beyond).await;
    let late = letters(&installation.kafka(), 1).await;
    assert_eq!(late[0].headers["fabric-reason"], "late");
    assert_eq!(late[0].payload, program.message(&beyond));
    noted(&installation, "chunk 5 came after its job had completed without it").await;
    assert_eq!(program.wait(&installation, 0)["state"], "completed");
    account(&installation.database.pool, program.job, file.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_do_not_fit_each_other_fail_their_job_by_name() {
    let installation = installation().await;
    let _validator = installation.validator();
    for (record, byte) in [(1, 0), (0, 1), (-60, 0)] {
        let (mut program, _) = opened(&installation).await;
        let due = (program.pieces[2].first_record, program.pieces[2].first_byte);
        program.pieces[2].first_record += record;
        program.pieces[2].first_byte += byte;
        program.publish_all().await;
        assert_eq!(program.close(&installation).0, 0);
        let report = program.wait(&installation, 3);
        let reason = format!(
            "chunk 2 begins at record {}, byte {}, but the one before ends before record {}, byte {}",
            due.0 + record,
            due.1 + byte,
            due.0,
            due.1
        );
        assert_eq!((&report["state"], &report["reason"]), (&"failed".into(), &reason.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_no_file_has_are_dead_letters_and_other_jobs_go_on() {
    let installation = installation().await;
    let _validator = installation.validator();
    let (program, file) = opened(&installation).await;
    let mut good = program.pieces[0].clone();
    let seal = |program: &Program, piece: &_, span: i64| program.message_with(piece, program.checksum(piece), span);
    for span in [i64::MAX, 0, -1] {
        program.send(0, &seal(&program, &good, span)).await;
    }
    program.send(0, &program.message_with(&good, 7, good.payload.len() as i64)).await;
    good.records = -1;
    program.publish(&good).await;
    good.records = i32::MAX;
    good.first_record = i64::MAX;
    good.first_byte = i64::MAX;
    program.publish(&good).await;
    let letters = letters(&installation.kafka(), 5).await;
    let mut reasons: Vec<&str> = letters.iter().map(|letter| letter.headers["fabric-reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["checksum", "malformed", "malformed", "malformed", "malformed"]);
    noted(&installation, "says that it answers for 9223372036854775807 bytes").await;
    installation.until(1, LEDGER_ROWS).await;
    assert_eq!(program.close_with(&installation, 1, 60).0, 0);
    let report = program.wait(&installation, 3);
    assert!(report["reason"].as_str().unwrap().starts_with("chunk 0 begins at record 9223372036854775807"), "{report}");

    installation.database.run("truncate card_transactions").await;
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--again", "--wait", "--json"]);
    assert_eq!(report["state"], "completed");
    account(&installation.database.pool, report["job"].as_i64().unwrap(), file.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_job_alone() {
    let installation = installation().await;
    let _validator = installation.validator();
    let (mine, file) = opened(&installation).await;
    let (theirs, _) = opened(&installation).await;
    let mut forged = Program::of(&mine.opened, &file);
    forged.job = theirs.job;
    forged.publish_all().await;
    let letters = letters(&installation.kafka(), 5).await;
    assert!(letters.iter().all(|letter| letter.headers["fabric-reason"] == "unknown"));
    assert_eq!(installation.database.number("select count(*) from fabric.job_notes").await, 0);
    assert_eq!(installation.database.number(LEDGER_ROWS).await, 0);
    let (code, _, said) = forged.close(&installation);
    assert!(code == 2 && said.contains("that token is none of job"), "{code} {said}");
}
