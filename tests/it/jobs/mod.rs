//! Jobs over a real Postgres: close, cancel, park, resume, report.

pub mod given;
mod registering;
mod shown;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fabric::chunk::{ChunkId, Delivery, JobId, Seq, Token};
use fabric::jobs::{self, CloseFigures, Closed, FileFigures, Publishing, Renewed, Resumed};
use fabric::ledger::JobState;
use sqlx::Connection as _;

use crate::database::Database;

fn figures(chunks: u32, records: u64, content: u8) -> CloseFigures {
    CloseFigures {
        chunks,
        records,
        file: Some(FileFigures { stored_bytes: 10 * records, bytes: 10 * records, headers: 1, blanks: 0 }),
        content: [content; 32],
        topic: "fabric.chunks.normal".into(),
        last_offsets: BTreeMap::from([(0, 9)]),
    }
}

async fn state(database: &Database, job: JobId) -> JobState {
    jobs::state_of(&database.pool, job).await.unwrap().unwrap().0
}

#[tokio::test]
async fn a_lease_is_renewed_by_its_holder_alone() {
    let database = Database::new().await;
    let job = given::job(&database, "registered").await;
    let lease = Duration::from_secs(15);
    let (first, second, stranger) = (Token([1; 16]), Token([2; 16]), Token([3; 16]));
    let add = async |token: &Token| {
        sqlx::query("insert into fabric.job_tokens (job_id, token_hash) values ($1, $2)")
            .bind(job.0)
            .bind(&token.hash().0[..])
            .execute(&database.pool)
            .await
            .unwrap();
    };
    let renew = async |token: &Token| jobs::renew_lease(&database.pool, job, token.hash(), lease).await.unwrap();
    add(&first).await;
    assert_eq!(renew(&stranger).await, Renewed::Stranger);
    assert_eq!(state(&database, job).await, JobState::Registered);
    let held = Renewed::Held { state: JobState::Publishing, closed: false, had_run_out: false };
    assert_eq!(renew(&first).await, held);
    add(&second).await;
    let taken = Renewed::Taken { state: JobState::Publishing, publisher: "host/1/1".into() };
    assert_eq!(renew(&first).await, taken);
    assert_eq!(renew(&second).await, held);
    assert_eq!(database.number("select count(*) from fabric.outbox where payload->>'state' = 'publishing'").await, 1);
}

#[tokio::test]
async fn a_pipe_with_the_content_of_another_job_ends_as_its_duplicate() {
    let database = Database::new().await;
    let (first, second) = (given::job(&database, "publishing").await, given::job(&database, "publishing").await);
    assert_eq!(jobs::close(&database.pool, first, &figures(2, 20, 1)).await.unwrap(), Closed::Loading);
    // A lost answer is asked for again.
    assert_eq!(jobs::close(&database.pool, first, &figures(2, 20, 1)).await.unwrap(), Closed::Loading);
    let otherwise = Closed::Otherwise { chunks: 2, records: 20, content: [1; 32] };
    for other in [figures(3, 20, 1), figures(2, 21, 1), figures(2, 20, 2)] {
        assert_eq!(jobs::close(&database.pool, first, &other).await.unwrap(), otherwise);
    }
    let closed = jobs::close(&database.pool, second, &figures(2, 20, 1)).await.unwrap();
    assert_eq!(closed, Closed::Duplicate { of: first });
    assert_eq!(state(&database, second).await, JobState::Duplicate);
}

#[tokio::test]
async fn a_cancel_answers_only_once_no_loader_holds_the_job() {
    let database = Database::new().await;
    let job = given::job(&database, "loading").await;
    let mut loader = database.connect().await;
    let mut transaction = loader.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock_shared(fabric.job_lock_key($1))")
        .bind(job.0)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let pool = database.pool.clone();
    let cancel = tokio::spawn(async move { jobs::cancel(&pool, job, "").await });
    while state(&database, job).await != JobState::Stopping {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!cancel.is_finished());
    transaction.commit().await.unwrap();
    assert_eq!(cancel.await.unwrap().unwrap(), JobState::Stopped);
    let (_, reason) = jobs::state_of(&database.pool, job).await.unwrap().unwrap();
    assert!(reason.unwrap().starts_with("cancelled by "));
}

#[tokio::test]
async fn a_frozen_loader_is_evicted_by_a_cancel() {
    let database = Database::new().await;
    let job = given::job(&database, "loading").await;
    let mut loader = fabric::postgres::connect(&database.settings, "fabric loader frozen").await.unwrap();
    sqlx::raw_sql("begin").execute(&mut loader).await.unwrap();
    sqlx::query("select pg_advisory_xact_lock_shared(fabric.job_lock_key($1))")
        .bind(job.0)
        .execute(&mut loader)
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(jobs::cancel(&database.pool, job, "tired of it").await.unwrap(), JobState::Stopped);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(sqlx::raw_sql("commit").execute(&mut loader).await.is_err());
}

#[tokio::test]
async fn a_parked_job_gives_back_what_it_owes_each_time_it_is_resumed() {
    let database = Database::new().await;
    let job = given::job(&database, "publishing").await;
    jobs::close(&database.pool, job, &figures(2, 20, 1)).await.unwrap();
    let chunk = ChunkId { job, seq: Seq(1) };
    let delivery = Delivery { topic: "fabric.chunks.normal".into(), partition: 3, offset: 77 };
    let mut connection = database.connect().await;
    jobs::park(&mut connection, chunk, &delivery, "the table is gone").await.unwrap();
    assert_eq!(state(&database, job).await, JobState::Parked);
    for _ in 0..2 {
        let resumed = jobs::resume(&database.pool, job).await.unwrap();
        assert_eq!(resumed, Resumed { owed: vec![(chunk, delivery.clone())], publishing: Publishing::Done });
        assert_eq!(state(&database, job).await, JobState::Loading);
    }
    given::ledger(&database, job, 1, 9, 1).await;
    database.run("delete from fabric.owed_chunks").await;
    assert!(jobs::resume(&database.pool, job).await.is_err());
}

#[tokio::test]
async fn a_report_adds_up_the_ledger_and_names_what_is_missing() {
    let database = Database::new().await;
    let job = given::job(&database, "publishing").await;
    for seq in [0, 2, 5] {
        given::ledger(&database, job, seq, 7, 3).await;
    }
    jobs::close(&database.pool, job, &figures(8, 80, 1)).await.unwrap();
    let detail = jobs::show(&database.pool, job).await.unwrap().unwrap();
    assert_eq!(detail.missing, [(1, 1), (3, 4), (6, 7)]);
    assert_eq!((detail.report.records, detail.report.loaded, detail.report.rejected), (80, Some(21), 9));
    assert_eq!(detail.report.rejects_by_rule["amount.minimum"], 9);
    assert_eq!(jobs::rejects_by_rule(&database.pool, job).await.unwrap(), [("amount.minimum".to_owned(), 9)]);
    assert_eq!(jobs::list(&database.pool, Some("cards"), 10).await.unwrap().len(), 1);
    assert_eq!(jobs::pins(&database.pool, job).await.unwrap().unwrap().feed_version, 1);
}

#[tokio::test]
async fn rejects_are_read_in_pages_and_by_rule() {
    let database = Database::new().await;
    let job = given::job(&database, "loading").await;
    database
        .run(
            r#"insert into fabric.rejects (job_id, record_no, seq, line, byte_offset, byte_length, source, reasons)
               select 1, n, 0, n + 1, 10 * n, 10, 'x', jsonb_build_array(jsonb_build_object(
                      'rule', 'a.r' || n % 2, 'severity', 'error', 'message', 'no'))
                 from generate_series(1, 6) n"#,
        )
        .await;
    let records = async |rule, after, limit| {
        let rows = jobs::reject_rows(&database.pool, job, rule, after, limit).await.unwrap();
        rows.iter().map(|row| row.record).collect::<Vec<_>>()
    };
    assert_eq!(records(None, 0, 4).await, [1, 2, 3, 4]);
    assert_eq!(records(None, 4, 4).await, [5, 6]);
    assert_eq!(records(Some("a.r0"), 0, 9).await, [2, 4, 6]);
}
