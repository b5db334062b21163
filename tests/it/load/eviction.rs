//! A frozen loader blocks nobody for long.

use std::time::{Duration, Instant};

use fabric::load::Outcome;

use super::bench::{Bench, keyless, until};

#[tokio::test]
async fn a_loader_that_stalls_inside_copy_is_evicted_and_its_chunk_loads() {
    is_evicted_where_locks_are_waited_for(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_loader_that_stalls_is_evicted_however_short_locks_are_waited_for() {
    is_evicted_where_locks_are_waited_for(Duration::from_millis(100)).await;
}

async fn is_evicted_where_locks_are_waited_for(lock_timeout: Duration) {
    let mut bench = Bench::new(&keyless(), "").await;
    bench.load.evict_after = Duration::from_secs(2);
    bench.load.lock_timeout = lock_timeout;
    let job = bench.job().await;
    let chunk = bench.chunk(job, "a|1\n");
    // Longer in its transaction than the frozen one, and in nobody's way.
    let mut other = fabric::postgres::connect(&bench.database.settings, "fabric loader other/1/0").await.unwrap();
    sqlx::raw_sql("begin; select 1").execute(&mut other).await.unwrap();
    let mut frozen = fabric::postgres::connect(&bench.database.settings, "fabric loader frozen/1/0").await.unwrap();
    let fence = format!(
        "begin; select fabric.fence({job}, 0, (select token_hash from fabric.job_tokens), 1, 1, 0, 4, {}, 1, 0, 0,
         null, null, 't', 0, 0, 'frozen')",
        chunk.crc
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(fence)).execute(&mut frozen).await.unwrap();
    let stalled = frozen.copy_in_raw("copy public.cards from stdin (format binary)").await.unwrap();
    until(&bench.database, "application_name = 'fabric loader frozen/1/0' and state = 'active'").await;

    let began = Instant::now();
    let outcome = bench.loader().await.load(&chunk).await.unwrap();
    assert_eq!(outcome, Outcome::Loaded { loaded: 1, rejected: 0 });
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    stalled.finish().await.unwrap_err();
    sqlx::raw_sql("commit").execute(&mut frozen).await.unwrap_err();
    assert_eq!(bench.rows().await, 1);
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
}
