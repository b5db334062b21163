//! The fence, and what ends a transaction early.

use fabric::chunk::{JobId, Token};
use fabric::load::Outcome;

use super::bench::{Bench, KEYED, keyless, until};

const THREE: &str = "a|1.50\nb|-1\nc|\n";

#[tokio::test]
async fn good_records_and_rejects_load_together() {
    let bench = Bench::new(KEYED, "").await;
    let (job, outcome) = bench.load(THREE).await;
    assert_eq!(outcome, Outcome::Loaded { loaded: 2, rejected: 1 });
    assert_eq!(bench.rows().await, 2);
    let rejects = bench.rejects(job).await;
    assert!(rejects.len() == 1 && rejects[0].starts_with("2: amount.minimum: "), "{rejects:?}");
    assert_eq!(
        bench
            .database
            .number(
                "select count(*) from fabric.rejects where source = '\\x627c2d310a' and line = 2 and byte_offset = 7"
            )
            .await,
        1
    );
    let counted = "select count(*) from fabric.chunk_ledger where (loaded, rejected) = (2, 1)
                      and rejects_by_rule = '{\"amount.minimum\": 1}' and warnings_by_rule is null";
    assert_eq!(bench.database.number(counted).await, 1);
}

#[tokio::test]
async fn a_redelivered_chunk_is_skipped() {
    let bench = Bench::new(KEYED, "").await;
    let job = bench.job().await;
    let (mut loader, chunk) = (bench.loader().await, bench.chunk(job, THREE));
    loader.load(&chunk).await.unwrap();
    assert_eq!(loader.load(&chunk).await.unwrap(), Outcome::Already);
    assert_eq!((bench.rows().await, bench.rejects(job).await.len()), (2, 1));
}

#[tokio::test]
async fn a_chunk_with_other_bytes_fails_its_job() {
    let bench = Bench::new(KEYED, "").await;
    let job = bench.job().await;
    let mut loader = bench.loader().await;
    loader.load(&bench.chunk(job, "a|1\n")).await.unwrap();
    assert_eq!(loader.load(&bench.chunk(job, "b|1\n")).await.unwrap(), Outcome::Conflict);
    assert_eq!(bench.database.number("select count(*) from fabric.jobs where state = 'failed'").await, 1);
    assert_eq!(bench.rows().await, 1);
}

#[tokio::test]
async fn a_strangers_chunk_is_unknown() {
    let bench = Bench::new(KEYED, "").await;
    let mut chunk = bench.chunk(bench.job().await, "a|1\n");
    chunk.token = Token([8; 16]).hash();
    assert_eq!(bench.loader().await.load(&chunk).await.unwrap(), Outcome::Unknown);
    let chunk = bench.chunk(JobId(4711), "a|1\n");
    assert_eq!(bench.loader().await.load(&chunk).await.unwrap(), Outcome::Unknown);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn a_stopped_jobs_chunk_is_not_loaded() {
    let bench = Bench::new(KEYED, "").await;
    let job = bench.job().await;
    bench.database.run("update fabric.jobs set state = 'stopped'").await;
    assert_eq!(bench.loader().await.load(&bench.chunk(job, "a|1\n")).await.unwrap(), Outcome::Stopped);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn past_the_limit_a_jobs_rejects_keep_their_byte_ranges_alone() {
    let mut bench = Bench::new(KEYED, "").await;
    bench.load.kept_rejects = 2;
    let job = bench.job().await;
    let mut loader = bench.loader().await;
    let [first, second] = bench.chunks(job, "a|-1\nb|-1\nc|-1\n", 10).try_into().ok().unwrap();
    loader.load(&first).await.unwrap();
    bench.database.run("update fabric.jobs set records_rejected = 2").await;
    loader.load(&second).await.unwrap();
    assert_eq!(bench.database.number("select count(source) from fabric.rejects").await, 2);
    assert_eq!(bench.database.number("select sum(byte_length)::bigint from fabric.rejects").await, 15);
}

#[tokio::test]
async fn a_dropped_table_parks_its_job() {
    let bench = Bench::new(KEYED, "").await;
    bench.database.run("drop table public.cards").await;
    let (job, outcome) = bench.load("a|1\n").await;
    let Outcome::Parked { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("public.cards") && reason.contains(&format!("fabric jobs resume {job}")), "{reason}");
    assert_eq!(bench.database.number("select count(*) from fabric.owed_chunks where seq = 0").await, 1);
    assert_eq!(bench.database.number("select count(*) from fabric.jobs where state = 'parked'").await, 1);
    assert_eq!(bench.database.number("select count(*) from fabric.chunk_ledger").await, 0);
}

#[tokio::test]
async fn a_table_locked_for_long_parks_its_job() {
    let mut bench = Bench::new(&keyless(), "").await;
    bench.load.lock_timeout = std::time::Duration::from_secs(1);
    let job = bench.job().await;
    let (mut loader, chunk) = (bench.loader().await, bench.chunk(job, "a|1\n"));
    let mut other = bench.database.connect().await;
    sqlx::raw_sql("begin; lock table public.cards in share mode").execute(&mut other).await.unwrap();
    let began = std::time::Instant::now();
    let outcome = loop {
        if let Ok(outcome) = loader.load(&chunk).await {
            break outcome;
        }
    };
    assert!(matches!(&outcome, Outcome::Parked { reason } if reason.contains("lock")), "{outcome:?}");
    assert!((5..=7).contains(&began.elapsed().as_secs()), "after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_killed_in_mid_copy_leaves_nothing_and_the_next_load_works() {
    let bench = Bench::new(&keyless(), "").await;
    let job = bench.job().await;
    let (mut loader, chunk) = (bench.loader().await, bench.chunk(job, "a|1\n"));
    let mut other = bench.database.connect().await;
    sqlx::raw_sql("begin; lock table public.cards in share mode").execute(&mut other).await.unwrap();
    let killing = async {
        until(&bench.database, "application_name = 'fabric loader test/1/0' and wait_event_type = 'Lock'").await;
        bench
            .database
            .run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'fabric loader test/1/0'
                    and datname = current_database()")
            .await;
    };
    let (loaded, ()) = tokio::join!(loader.load(&chunk), killing);
    loaded.unwrap_err();
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    assert_eq!((bench.rows().await, bench.database.number("select count(*) from fabric.chunk_ledger").await), (0, 0));
    assert_eq!(loader.load(&chunk).await.unwrap(), Outcome::Loaded { loaded: 1, rejected: 0 });
}
