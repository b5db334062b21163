//! A job is not gone on with from another file, however much that looks like its own.

use super::{LEDGER_ROWS, RECORDS, begin, installation, with_a_small_backlog};

/// Behind the first MiB, by which files are told apart, and within what is loaded.
const CHANGED: usize = 3 << 19;

#[tokio::test]
async fn a_file_that_differs_only_in_its_middle_fails_the_job_it_pretends_to_be() {
    let installation = with_a_small_backlog(installation().await);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let validator = installation.validator();
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(CHANGED as i64 / 32_768 + 1, "select count(*) from fabric.chunk_ledger where seq <= 48").await;
    ingest.kill();
    validator.terminate();
    let loaded = installation.database.number(LEDGER_ROWS).await;
    assert!(installation.database.number("select count(*) from fabric.jobs where chunks is null").await == 1);

    let mut bytes = std::fs::read(&file).unwrap();
    // Upper and lower case of a letter: a record stays a record.
    let letter = bytes[CHANGED..].iter().position(u8::is_ascii_alphabetic).unwrap();
    bytes[CHANGED + letter] ^= 0x20;
    let other = installation.write("other.txt", bytes);
    let resume = ["ingest", "--resume", &job.to_string(), "--from", &other, "--wait", "--json"];
    let report = installation.json(3, &resume);
    assert_eq!(report["state"], "failed", "{report}");
    let reason = report["reason"].as_str().unwrap();
    let told = format!("is not what was loaded as such: this is not the file that job {job} was begun with");
    assert!(reason.ends_with(&told), "{reason}");
    assert_eq!(installation.database.number(LEDGER_ROWS).await, loaded, "nothing of the other file is loaded");
}
