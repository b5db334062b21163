//! Validators that are killed, frozen, added and removed while they load a stream.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::bench::Bench;

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
