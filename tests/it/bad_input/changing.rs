//! Files that change, or go, while they are read. A small backlog and no validator hold the publisher in the middle of
//! its file until the test has done what it does to it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::accounting::account;
use crate::installation::{Installation, Process, brokers, told};

/// About 8.7 MB: more than the backlog.
const RECORDS: u64 = 50_000;
const ANSWER: Duration = Duration::from_secs(10);

async fn installation() -> Installation {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation.apply_card_transactions();
    installation
}

/// Starts publishing and returns in the middle of the file.
async fn held(installation: &Installation, file: &str) -> (Process, i64) {
    let ingest = installation.start(&["ingest", "card-transactions", file, "--wait"]);
    let topic = format!("{}chunks.normal", installation.prefix);
    let consumer: BaseConsumer = rdkafka::ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap();
    let partitions = consumer.fetch_metadata(Some(&topic), ANSWER).unwrap().topics()[0].partitions().len() as i32;
    let deadline = Instant::now() + Duration::from_secs(60);
    // A chunk on the lane: the file has been opened.
    while (0..partitions).all(|partition| consumer.fetch_watermarks(&topic, partition, ANSWER).unwrap().1 == 0) {
        assert!(Instant::now() < deadline, "nothing is published:\n{}", ingest.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (ingest, installation.database.number("select max(job_id) from fabric.jobs").await)
}

/// The held ingest ends its job for the change, in words that say what to do.
async fn fails(installation: &Installation, mut ingest: Process, job: i64) {
    let _validator = installation.validator();
    assert_eq!(ingest.wait(Duration::from_secs(60)), Some(3), "{}", ingest.log());
    let report = installation.json(3, &["jobs", "wait", &job.to_string(), "--json"]);
    assert_eq!(report["state"], "failed");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("changed while it was read: it had 8"), "{reason}");
    assert!(reason.contains("wait until it is complete, then start again"), "{reason}");
    assert!(ingest.log().contains(reason), "{}", ingest.log());
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_fails_its_job_and_loads_once_it_is_complete() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let whole = std::fs::read(&file).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    std::fs::write(&file, &whole[..last]).unwrap();
    let (ingest, job) = held(&installation, &file).await;
    OpenOptions::new().append(true).open(&file).unwrap().write_all(&whole[last..]).unwrap();
    fails(&installation, ingest, job).await;
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_fails_its_job() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (ingest, job) = held(&installation, &file).await;
    OpenOptions::new().write(true).open(&file).unwrap().set_len(5 << 20).unwrap();
    fails(&installation, ingest, job).await;
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_read_loads_whole() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let copy = installation.write("copy", std::fs::read(&file).unwrap());
    let (mut ingest, job) = held(&installation, &file).await;
    std::fs::remove_file(&file).unwrap();
    let _validator = installation.validator();
    assert_eq!(ingest.wait(Duration::from_secs(60)), Some(0), "{}", ingest.log());
    assert_eq!(account(&installation.database.pool, job, copy.as_ref()).await.records as u64, RECORDS);
}

#[tokio::test]
async fn a_resume_whose_file_is_gone_asks_where_it_is() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (ingest, job) = held(&installation, &file).await;
    ingest.kill();
    let moved = installation.path("moved.txt");
    std::fs::rename(&file, &moved).unwrap();
    let moved = moved.to_str().unwrap();
    let job = job.to_string();

    let gone = installation.run(&["ingest", "--resume", &job]);
    assert_eq!(gone.status.code(), Some(2), "{}", told(&gone));
    let words = String::from_utf8_lossy(&gone.stderr);
    assert!(words.contains("cards.txt is gone") && words.contains("--from FILE"), "{words}");

    let other = installation.write("other.txt", "T1|another file\n");
    let refused = installation.run(&["ingest", "--resume", &job, "--from", &other]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not the file"), "{}", told(&refused));

    let _validator = installation.validator();
    let report = installation.json(0, &["ingest", "--resume", &job, "--from", moved, "--wait", "--json"]);
    assert_eq!(report["job"].to_string(), job);
    let account = account(&installation.database.pool, job.parse().unwrap(), moved.as_ref()).await;
    assert_eq!(account.records as u64, RECORDS);
}

#[tokio::test]
async fn a_file_that_is_not_there_makes_no_job() {
    let installation = installation().await;
    let missing = installation.path("missing.txt");
    let missing = missing.to_str().unwrap();
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");
    for arguments in [["ingest", "card-transactions", missing], ["check", definition, missing]] {
        let output = installation.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("missing.txt does not exist; check the path"), "{words}");
    }
    assert_eq!(installation.database.number("select count(*) from fabric.jobs").await, 0);
}
