//! Validators that are killed, frozen, added and removed while they load a stream.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::bench::Bench;
use crate::installation::Process;

/// Records per round: many batches.
const ROUND: usize = 5_000;

#[tokio::test]
async fn validators_killed_in_mid_stream_and_restarted_lose_and_double_nothing() {
    let mut bench = Bench::new(4).await;
    let first = bench.installation.validator();
    bench.produce(0, ROUND).await;
    bench.until(ROUND / 4).await;
    first.kill();
    bench.produce(ROUND, ROUND).await;
    let second = bench.installation.validator();
    bench.until(ROUND + ROUND / 4).await;
    second.kill();
    let _third = bench.installation.validator();
    bench.account().await;
}

#[tokio::test]
async fn a_validator_frozen_past_its_session_and_thawed_doubles_nothing() {
    let mut bench = Bench::new(4).await;
    let frozen = bench.installation.validator();
    bench.produce(0, ROUND).await;
    bench.until(ROUND / 4).await;
    frozen.signal(Signal::SIGSTOP);
    let _other = bench.installation.validator();
    bench.produce(ROUND, ROUND).await;
    bench.account().await;
    frozen.signal(Signal::SIGCONT);
    frozen.until_says("stream partitions revoked", Duration::from_secs(30)).await;
    bench.produce(2 * ROUND, ROUND).await;
    bench.account().await;
    frozen.terminate();
}

/// A validator that is frozen while its loader has a batch of 100 records in a transaction, which began after 100 others
/// were loaded.
async fn frozen_in_mid_batch(bench: &mut Bench) -> Process {
    let frozen = bench.installation.validator();
    bench.produce(0, 100).await;
    bench.account().await;
    let mut holder = bench.installation.database.connect().await;
    sqlx::raw_sql("begin; lock table payments").execute(&mut holder).await.unwrap();
    bench.produce(100, 100).await;
    let waits = "select least(count(*), 1) from pg_locks l join pg_stat_activity a using (pid)
                  where not l.granted and a.application_name like 'fabric loader%' and a.datname = current_database()";
    bench.installation.until(1, waits).await;
    frozen.signal(Signal::SIGSTOP);
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    frozen
}

#[tokio::test]
async fn a_pause_evicts_a_loader_that_is_frozen_in_mid_batch_and_nothing_of_it_commits() {
    let mut bench = Bench::new(1).await;
    let frozen = frozen_in_mid_batch(&mut bench).await;
    bench.installation.succeed(&["streams", "pause", "payments"]);
    frozen.signal(Signal::SIGCONT);
    frozen.until_says("is paused", Duration::from_secs(30)).await;
    let loaded = "select sum(loaded + rejected)::bigint from fabric.stream_positions";
    assert_eq!(bench.installation.database.number(loaded).await, 100);
    bench.installation.succeed(&["streams", "resume", "payments"]);
    bench.account().await;
    frozen.terminate();
}

#[tokio::test]
async fn a_zombie_in_mid_transaction_commits_nothing_once_its_partition_has_moved() {
    let mut bench = Bench::new(1).await;
    let zombie = frozen_in_mid_batch(&mut bench).await;
    let _other = bench.installation.validator();
    bench.account().await;
    zombie.signal(Signal::SIGCONT);
    zombie.until_says("stream partitions revoked", Duration::from_secs(30)).await;
    bench.produce(200, 100).await;
    bench.account().await;
    zombie.terminate();
}
