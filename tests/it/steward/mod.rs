//! The steward over a real Postgres.

use std::time::{Duration, Instant};

use fabric::chunk::JobId;
use fabric::config::{Live, Prepares};
use fabric::jobs;
use fabric::ledger::JobState;
use fabric::settings::Settings;
use fabric::shutdown::{self, Trigger};
use fabric::steward::{self, SEAT, Seat};
use fabric::telemetry::{Health, Role};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::jobs::given;

fn start(database: &Database) -> (Trigger, JoinHandle<()>) {
    let (trigger, shutdown) = shutdown::channel();
    let mut settings = Settings { postgres: database.settings.clone(), ..Settings::default() };
    if let Ok(brokers) = std::env::var("FABRIC_KAFKA_BROKERS") {
        settings.kafka.brokers = brokers;
    }
    let pool = database.pool.clone();
    let run = async move {
        let health = Health::new(Role::Steward);
        let live = Live::start(&settings, pool, health.clone(), Prepares::Nothing).unwrap();
        steward::run(settings, shutdown, health, live).await.unwrap();
    };
    (trigger, tokio::spawn(run))
}

async fn reaches(database: &Database, job: JobId, state: JobState) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let (now, reason) = jobs::state_of(&database.pool, job).await.unwrap().unwrap();
        if now == state {
            return reason;
        }
        assert!(Instant::now() < deadline, "job {job} is {now} ({reason:?}), not {state}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The backend that leads; 0 while none does.
async fn leader(database: &Database) -> i64 {
    database
        .number(&format!(
            "select coalesce(max(pid), 0)::bigint from pg_locks
              where locktype = 'advisory' and granted and ((classid::bigint << 32) | objid::bigint) = {SEAT}
                and database = (select oid from pg_database where datname = current_database())"
        ))
        .await
}

async fn other_leader(database: &Database, than: i64) -> i64 {
    loop {
        match leader(database).await {
            pid if pid != 0 && pid != than => return pid,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test]
async fn a_job_whose_chunks_are_all_in_the_ledger_completes() {
    let database = Database::new().await;
    let job = given::job(&database, "publishing").await;
    given::ledger(&database, job, 0, 10, 0).await;
    given::ledger(&database, job, 1, 9, 1).await;
    given::closed(&database, job, 2, 20).await;
    let (_trigger, _run) = start(&database);
    reaches(&database, job, JobState::Completed).await;
    let ended = "select count(*) from fabric.jobs where ended_at is not null and records_loaded = 19";
    assert_eq!(database.number(ended).await, 1);
    let months = "select count(*) from pg_inherits where inhparent = 'fabric.rejects'::regclass";
    assert_eq!(database.number(months).await, 4);
}

#[tokio::test]
async fn a_job_whose_records_do_not_add_up_fails() {
    let database = Database::new().await;
    let job = given::job(&database, "publishing").await;
    given::ledger(&database, job, 0, 10, 0).await;
    given::closed(&database, job, 1, 11).await;
    let (_trigger, _run) = start(&database);
    let reason = reaches(&database, job, JobState::Failed).await.unwrap();
    assert_eq!(reason, "the publisher counted 11 records, the chunks held 10");
}

#[tokio::test]
async fn a_stop_threshold_ends_a_job_and_an_alert_is_told_once() {
    let database = Database::new().await;
    let feed = "feed: cards\nlayout: { format: delimited }\nfields:\n  - { name: amount, type: integer }\n\
                thresholds:\n  - { rejects: 5, action: stop }\n  - { rejects: 2, action: alert }\n\
                target: { schema: public, table: cards }\n";
    let job = given::job_of(&database, feed, "publishing").await;
    let (_trigger, _run) = start(&database);
    given::ledger(&database, job, 0, 10, 3).await;
    let alerts = "select count(*) from fabric.jobs where alerted = '{1}'";
    while database.number(alerts).await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    given::ledger(&database, job, 1, 10, 3).await;
    let reason = reaches(&database, job, JobState::Stopped).await.unwrap();
    assert_eq!(reason, "6 rejects among 26 records, over the limit of 5");
    assert_eq!(database.number(alerts).await, 1);
}

#[tokio::test]
async fn a_job_whose_lease_ran_out_is_stalled() {
    let database = Database::new().await;
    let job = given::job(&database, "publishing").await;
    database.run("update fabric.jobs set lease_until = now() - interval '1 second'").await;
    let (_trigger, _run) = start(&database);
    reaches(&database, job, JobState::Stalled).await;
}

#[tokio::test]
async fn a_job_left_stopping_is_stopped() {
    let database = Database::new().await;
    let job = given::job(&database, "stopping").await;
    let (_trigger, _run) = start(&database);
    reaches(&database, job, JobState::Stopped).await;
}

#[tokio::test]
async fn another_steward_leads_soon_after_the_leader_dies() {
    let database = Database::new().await;
    let (_first_trigger, first) = start(&database);
    let led_first = other_leader(&database, 0).await;
    let (_second_trigger, _second) = start(&database);
    first.abort();
    tokio::time::timeout(Duration::from_secs(10), other_leader(&database, led_first)).await.unwrap();
}

#[tokio::test]
async fn a_frozen_leader_is_replaced_in_under_ten_seconds() {
    let database = Database::new().await;
    let _frozen = Seat::take(&database.settings).await.unwrap();
    let frozen = leader(&database).await;
    let (_trigger, _run) = start(&database);
    tokio::time::timeout(Duration::from_secs(10), other_leader(&database, frozen)).await.unwrap();
}
