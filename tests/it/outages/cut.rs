//! The network between one process and Kafka or Postgres is cut, for longer than any session, and healed.

use std::time::Duration;

use super::outage;
use super::proxied::{KafkaProxy, Way};
use crate::accounting::account;
use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::installation::{Installation, Process};

/// Longer than the group's session of 6 s.
const CUT: Duration = Duration::from_secs(9);

/// A validator whose way to Kafka can be cut.
async fn validator_behind(way: &KafkaProxy, installation: &Installation) -> Process {
    let validator = installation.start_with(&[("FABRIC_KAFKA_BROKERS", &way.brokers())], &["validate"]);
    // Only what it is assigned names the lane.
    validator.until_says(".chunks.normal ", Duration::from_secs(20)).await;
    validator
}

#[tokio::test]
async fn a_validator_cut_off_from_kafka_for_longer_than_its_session_doubles_nothing_and_comes_back() {
    let way = KafkaProxy::new().await;
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let cut_off = validator_behind(&way, &installation).await;
    let _other = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    way.proxy.cut();
    // The other one must get its partitions to complete the job.
    completes(&installation, job, &file).await;
    way.proxy.heal().unwrap();
    cut_off.until_says("partitions revoked", Duration::from_secs(30)).await;
    cut_off.terminate();
    assert_eq!(account(&installation.database.pool, job, file.as_ref()).await.records as u64, RECORDS);
}

#[tokio::test]
async fn the_only_validator_cut_off_from_kafka_goes_on_when_healed() {
    let way = KafkaProxy::new().await;
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let validator = validator_behind(&way, &installation).await;
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    way.proxy.cut();
    tokio::time::sleep(outage(CUT)).await;
    way.proxy.heal().unwrap();
    completes(&installation, job, &file).await;
    validator.terminate();
}

#[tokio::test]
async fn a_publisher_cut_off_from_kafka_goes_on_when_healed() {
    let way = KafkaProxy::new().await;
    let mut installation = installation().await;
    // A small backlog keeps the publisher in the middle of its file until chunks are loaded.
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_PATIENCE", "120s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let mut ingest =
        installation.start_with(&[("FABRIC_KAFKA_BROKERS", &way.brokers())], &["ingest", "card-transactions", &file]);
    installation.until(1, "select count(*) from fabric.jobs where state = 'publishing'").await;
    way.proxy.cut();
    let _validator = installation.validator();
    tokio::time::sleep(outage(CUT)).await;
    let job = installation.database.number("select max(job_id) from fabric.jobs where state = 'publishing'").await;
    way.proxy.heal().unwrap();
    assert_eq!(ingest.wait(Duration::from_secs(60)), Some(0), "{}", ingest.log());
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_validator_cut_off_from_postgres_in_mid_load_blocks_nobody_and_doubles_nothing() {
    let installation = installation().await;
    let way = Way::to_postgres(&installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let cut_off = installation.start_with(&[("FABRIC_POSTGRES_URL", &way.url)], &["validate"]);
    cut_off.until_says(".chunks.normal ", Duration::from_secs(20)).await;
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    way.proxy.cut();
    let _other = installation.validator();
    tokio::time::sleep(outage(CUT)).await;
    way.proxy.heal().unwrap();
    completes(&installation, job, &file).await;
    cut_off.terminate();
    assert_eq!(account(&installation.database.pool, job, file.as_ref()).await.records as u64, RECORDS);
}
