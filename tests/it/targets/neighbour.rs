//! While one feed's target is held or broken, another feed loads at its usual rate.

use std::time::{Duration, Instant};

use super::{OWED, PARKED, RECORDS, completes, installation};
use crate::installation::{Installation, Process};

/// Of the other feed's file.
const OTHER_RECORDS: u64 = 60_000;

/// How long targets are held: longer than the patience of 5 s. A minute where there is time for it.
fn hold() -> Duration {
    let long = std::env::var_os("FABRIC_TEST_LONG").is_some();
    Duration::from_secs(if long { 60 } else { 10 })
}

/// A feed like `card-transactions` whose records go elsewhere.
fn apply_other_feed(installation: &Installation) {
    let feed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml")).unwrap();
    let feed = feed.replace("card-transactions", "other-cards").replace("card_transactions", "other_cards");
    installation.succeed(&["feeds", "apply", &installation.write("other-cards.yaml", feed)]);
}

/// How long it takes to load the file into the other feed's target.
fn load_other(installation: &Installation, file: &str) -> Duration {
    let began = Instant::now();
    let report = installation.json(0, &["ingest", "other-cards", file, "--again", "--wait", "--json"]);
    assert_eq!((&report["state"], &report["records"]), (&"completed".into(), &OTHER_RECORDS.into()), "{report}");
    began.elapsed()
}

/// Breaks one feed's target in mid-load by statements that last for as long as [`hold`], and loads another feed beside.
async fn another_feed_is_not_slowed(breaks: &str, mends: &str) {
    let installation = installation().await;
    apply_other_feed(&installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let other = installation.card_transactions("other.txt", OTHER_RECORDS);
    let _validator = installation.validator();
    load_other(&installation, &other);
    let alone = load_other(&installation, &other).min(load_other(&installation, &other));

    // One row, so that an index over it can take its time.
    installation
        .database
        .run(
            "insert into card_transactions (_job_id, _record_no, transaction_id, posted_at, amount,
        currency) values (0, 0, '', now(), 0, 'EUR')",
        )
        .await;
    let mut connection = installation.database.connect().await;
    let lasts = breaks.contains("SECONDS");
    let statements = breaks.replace("SECONDS", &hold().as_secs().to_string());
    let began = Instant::now();
    let mut held = tokio::spawn(async move {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    });
    let locked = "select count(*) from pg_locks where relation = 'card_transactions'::regclass and granted
                   and mode in ('ShareLock', 'AccessExclusiveLock')";
    if lasts {
        installation.until(1, locked).await;
    } else {
        (&mut held).await.unwrap();
    }
    let (_ingest, job) = begin_second(&installation, &file).await;
    installation.until(1, OWED).await;
    let beside = load_other(&installation, &other).min(load_other(&installation, &other));
    println!("alone {alone:?}, beside a broken target {beside:?}");
    assert!(beside < 2 * alone + Duration::from_secs(1), "alone {alone:?}, beside a broken target {beside:?}");
    installation.until(1, PARKED).await;
    assert!(!lasts || began.elapsed() < hold(), "parked while it was held");

    if !held.is_finished() {
        held.await.unwrap();
    }
    installation.database.run(mends).await;
    installation.database.run("delete from card_transactions where _job_id = 0").await;
    assert_eq!(completes(&installation, job, &file).await.records as u64, RECORDS);
}

async fn begin_second(installation: &Installation, file: &str) -> (Process, i64) {
    let before = installation.database.number("select max(job_id) from fabric.jobs").await;
    let ingest = installation.start(&["ingest", "card-transactions", file]);
    installation.until(before + 1, "select max(job_id) from fabric.jobs").await;
    (ingest, before + 1)
}

#[tokio::test]
async fn while_an_index_is_built_on_a_target_another_feed_is_not_slowed_and_nothing_is_rejected() {
    another_feed_is_not_slowed(
        "create function pause(bigint) returns bigint language plpgsql immutable as
            $$ begin perform pg_sleep(SECONDS); return 1; end $$;
         create index slow on card_transactions (pause(_job_id)) where _record_no = 0",
        "drop index slow",
    )
    .await;
}

#[tokio::test]
async fn while_a_target_is_locked_another_feed_is_not_slowed_and_nothing_is_rejected() {
    another_feed_is_not_slowed(
        "begin; lock table card_transactions in access exclusive mode; select pg_sleep(SECONDS); rollback",
        "select 1",
    )
    .await;
}

#[tokio::test]
async fn while_a_target_refuses_its_feed_another_feed_is_not_slowed() {
    another_feed_is_not_slowed(
        "revoke insert on card_transactions from current_user",
        "grant insert on card_transactions to current_user",
    )
    .await;
}
