//! Messages that are no chunks of their job: none does more than its token allows.

use fabric::chunk::{Envelope, JobId, Token};

use super::dead_letters::{Letter, letters};
use super::publisher::{Publisher, kafka_of};
use crate::accounting::account;
use crate::installation::Installation;

const LEDGER_ROWS: &str = "select count(*) from fabric.chunk_ledger";

/// All on one partition, so that each must be done with before the next is committed.
const PARTITION: i32 = 5;

async fn installation() -> Installation {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    installation
}

async fn state(installation: &Installation, job: JobId) -> String {
    let query = sqlx::query_scalar("select state from fabric.jobs where job_id = $1").bind(job.0);
    query.fetch_one(&installation.database.pool).await.unwrap()
}

async fn notes(installation: &Installation, job: JobId) -> Vec<String> {
    let query = sqlx::query_scalar("select note from fabric.job_notes where job_id = $1 order by noted_at").bind(job.0);
    query.fetch_all(&installation.database.pool).await.unwrap()
}

fn damaged(envelope: &Envelope) -> Vec<u8> {
    let mut message = vec![];
    envelope.encode(&mut message);
    *message.last_mut().unwrap() ^= 1;
    message
}

fn reasons(letters: &[Letter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.headers["fabric-reason"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_used_is_buried_and_its_partition_goes_on() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let _validator = installation.validator();
    let mut publisher = Publisher::register(&installation, &file).await;
    let stranger = Token([9; 16]);
    publisher.send(PARTITION, &publisher.chunk(0)).await;
    installation.until(1, LEDGER_ROWS).await;

    let good = publisher.chunk(1);
    publisher.send_bytes(PARTITION, &damaged(&good)).await;
    publisher.send_bytes(PARTITION, &damaged(&Envelope { token: stranger, ..good.clone() })).await;
    publisher.send(PARTITION, &Envelope { token: stranger, ..good.clone() }).await;
    publisher.send(PARTITION, &Envelope { token: stranger, ..publisher.other_bytes(0) }).await;
    let mut nobodys = good.clone();
    nobodys.id.job = JobId(i64::MAX);
    publisher.send(PARTITION, &nobodys).await;
    publisher.send_bytes(PARTITION, b"no Avro").await;
    for seq in 1..publisher.chunks.len() {
        publisher.send(PARTITION, &publisher.chunk(seq)).await;
    }
    installation.until(publisher.chunks.len() as i64, LEDGER_ROWS).await;

    let letters = letters(&kafka_of(&installation), 6).await;
    let mut found = reasons(&letters);
    found.sort_unstable();
    assert_eq!(found, ["checksum", "checksum", "not-avro", "unknown", "unknown", "unknown"]);
    assert!(letters.iter().all(|letter| letter.headers["fabric-partition"] == PARTITION.to_string()));
    assert!(letters.iter().any(|letter| letter.payload == damaged(&good)), "unchanged");
    assert!(letters.iter().any(|letter| letter.headers["fabric-detail"].contains("there is no job")));

    // The one damaged chunk that had the job's token is told to it; a stranger's word is worth nothing.
    let notes = notes(&installation, publisher.job).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&format!("partition {PARTITION} offset 1: checksum")), "{notes:?}");
    publisher.close(&installation).await;
    let report = installation.json(0, &["jobs", "wait", &publisher.job.to_string(), "--json"]);
    assert_eq!(report["state"], "completed");
    account(&installation.database.pool, publisher.job.0, file.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_that_comes_again_with_other_bytes_fails_its_job_and_is_buried() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let _validator = installation.validator();
    let mut publisher = Publisher::register(&installation, &file).await;
    publisher.send(PARTITION, &publisher.chunk(0)).await;
    publisher.send(PARTITION, &publisher.other_bytes(0)).await;

    let letters = letters(&kafka_of(&installation), 1).await;
    assert_eq!(reasons(&letters), ["conflict"]);
    let failed = format!("select count(*) from fabric.jobs where state = 'failed' and job_id = {}", publisher.job);
    installation.until(1, &failed).await;
    let notes = notes(&installation, publisher.job).await;
    assert!(notes[0].contains("conflict"), "{notes:?}");
    // What loaded stays, and nothing of the other bytes came in.
    let rows = installation.database.number("select count(*) from card_transactions").await;
    assert_eq!(rows, installation.database.number("select sum(loaded) from fabric.chunk_ledger").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_completed_job_is_buried_and_the_job_stays_completed() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let _validator = installation.validator();
    let mut publisher = Publisher::register(&installation, &file).await;
    for seq in 0..publisher.chunks.len() {
        publisher.send(PARTITION, &publisher.chunk(seq)).await;
    }
    publisher.close(&installation).await;
    installation.json(0, &["jobs", "wait", &publisher.job.to_string(), "--json"]);

    publisher.send(PARTITION, &publisher.other_bytes(0)).await;
    assert_eq!(reasons(&letters(&kafka_of(&installation), 1).await), ["conflict"]);
    installation.until(1, "select count(*) from fabric.job_notes where note like '%conflict%'").await;
    assert_eq!(state(&installation, publisher.job).await, "completed");
    account(&installation.database.pool, publisher.job.0, file.as_ref()).await;
}
