//! Validators that are killed, frozen, added and removed while they load.

use std::time::Duration;

use nix::sys::signal::Signal;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::accounting::account;
use crate::installation::{Installation, brokers};

#[tokio::test]
async fn two_validators_killed_in_mid_load_and_restarted_lose_and_double_nothing() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (first, second) = (installation.validator(), installation.validator());
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    first.kill();
    second.kill();
    let (_third, _fourth) = (installation.validator(), installation.validator());
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_validator_frozen_past_its_session_and_thawed_doubles_nothing() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let frozen = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    frozen.signal(Signal::SIGSTOP);
    let _other = installation.validator();
    completes(&installation, job, &file).await;
    frozen.signal(Signal::SIGCONT);
    // It finds out that its partitions are another's, gives up what it held when it froze, and is a member again.
    frozen.until_says("partitions revoked", Duration::from_secs(30)).await;
    frozen.terminate();
    let account = account(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(account.records as u64, RECORDS);
}

#[tokio::test]
async fn a_validator_added_and_one_removed_in_mid_load_lose_and_double_nothing() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let first = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    let _second = installation.validator();
    installation.until(2 * SOME, LEDGER_ROWS).await;
    first.terminate();
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn offsets_rewound_to_zero_after_a_load_add_no_row() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let validator = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    let before = completes(&installation, job, &file).await;
    validator.terminate();
    let delivered = rewind(&installation);
    assert!(delivered > 0);

    let validator = installation.validator();
    until_consumed(&installation, delivered).await;
    validator.terminate();
    assert_eq!(account(&installation.database.pool, job, file.as_ref()).await, before);
}

fn group(installation: &Installation) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", format!("{}lanes", installation.prefix))
        .create()
        .unwrap()
}

fn partitions(installation: &Installation, consumer: &BaseConsumer) -> Vec<(String, i32)> {
    let topic = format!("{}chunks.normal", installation.prefix);
    let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10)).unwrap();
    metadata.topics()[0].partitions().iter().map(|partition| (topic.clone(), partition.id())).collect()
}

/// Commits offset zero everywhere; answers the messages that will be delivered again.
fn rewind(installation: &Installation) -> i64 {
    let consumer = group(installation);
    let mut zero = TopicPartitionList::new();
    let mut messages = 0;
    for (topic, partition) in partitions(installation, &consumer) {
        let (low, high) = consumer.fetch_watermarks(&topic, partition, Duration::from_secs(10)).unwrap();
        zero.add_partition_offset(&topic, partition, Offset::Offset(low)).unwrap();
        messages += high - low;
    }
    consumer.commit(&zero, CommitMode::Sync).unwrap();
    messages
}

async fn until_consumed(installation: &Installation, messages: i64) {
    let consumer = group(installation);
    for _ in 0..300 {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions(installation, &consumer) {
            asked.add_partition(&topic, partition);
        }
        let committed = consumer.committed_offsets(asked, Duration::from_secs(10)).unwrap();
        let consumed: i64 =
            committed.elements().iter().map(|element| element.offset().to_raw().unwrap_or(0).max(0)).sum();
        if consumed >= messages {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the rewound messages were not consumed again");
}

#[tokio::test]
async fn a_validator_frozen_in_mid_copy_is_evicted_and_its_chunks_are_loaded_within_fifteen_seconds() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let frozen = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    // A lock stops its COPY before the first row; frozen there, it never sends one, and holds its fence for good.
    let mut holder = installation.database.connect().await;
    sqlx::raw_sql("begin; lock table card_transactions").execute(&mut holder).await.unwrap();
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                   and application_name like 'fabric loader%' and wait_event_type = 'Lock'";
    installation.until(1, waiting).await;
    frozen.signal(Signal::SIGSTOP);
    let began = std::time::Instant::now();
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    let _other = installation.validator();
    completes(&installation, job, &file).await;
    println!("loaded {:?} after the freeze", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    frozen.signal(Signal::SIGCONT);
    frozen.until_says("partitions revoked", Duration::from_secs(30)).await;
    frozen.terminate();
    let account = account(&installation.database.pool, job, file.as_ref()).await;
    assert_eq!(account.records as u64, RECORDS);
}
