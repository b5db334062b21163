//! Redis as a cache that may lie, stall, fill up, keep fabric out and vanish: it costs speed only, and is told of.

pub mod server;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::config::{Cache, Checksum, Known, Pinned, Reads, ReferencePins};
use fabric::postgres::ServicePool;
use fabric::redis::Redis;
use fabric::settings::Settings;

use server::Server;

use super::following::{apply, cards, definition, eventually, live, until_version};
use crate::installation::Installation;
use crate::proxy::Proxy;

fn with_redis(installation: &Installation, url: &str) -> Settings {
    let mut settings = installation.settings();
    settings.redis.url = url.to_owned();
    settings
}

/// A cache of a process that does not follow: whatever it is asked, it asks on.
fn cache(installation: &Installation, settings: &Settings) -> (Arc<Cache>, Option<Arc<Redis>>) {
    let redis = Redis::start(&settings.redis).unwrap().map(Arc::new);
    let pool = ServicePool::watched(installation.database.pool.clone());
    (Cache::new(settings, pool, redis.clone(), Arc::new(Known::default())), redis)
}

fn pinned(version: i32) -> Pinned {
    Pinned { feed: "cards".into(), version, references: ReferencePins::new() }
}

fn checksum(mark: u32) -> Option<Checksum> {
    Some(Checksum::of(definition(mark).as_bytes()))
}

async fn well(redis: &Option<Arc<Redis>>) {
    let redis = redis.as_ref().unwrap();
    eventually("Redis is connected", async || redis.get("nothing").await.is_ok()).await;
}

fn key(installation: &Installation, version: i32) -> String {
    format!("{}:feed:cards:{version}", installation.prefix.trim_end_matches('.'))
}

#[tokio::test]
async fn what_one_process_has_read_the_next_finds_in_redis_and_a_poisoned_document_is_refused() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let server = Server::start(&[]).await;
    let settings = with_redis(&installation, &server.url());
    let (first, redis) = cache(&installation, &settings);
    well(&redis).await;
    first.plan(&pinned(1), checksum(1)).await.unwrap();
    let key = key(&installation, 1);
    assert_eq!(server.cli(&["get", &key]).trim_end(), definition(1).trim_end());

    let hits = server.stat("keyspace_hits");
    let (second, redis) = cache(&installation, &settings);
    well(&redis).await;
    second.plan(&pinned(1), checksum(1)).await.unwrap();
    assert_eq!(server.stat("keyspace_hits"), hits + 1);

    server.cli(&["set", &key, &definition(1).replace("exclusiveMinimum: 0", "minimum: -1000000")]);
    let (third, redis) = cache(&installation, &settings);
    well(&redis).await;
    let document = third.document(fabric::config::Kind::Feed, "cards", 1, checksum(1)).await.unwrap().unwrap();
    assert_eq!(&*document, definition(1), "the real one, of Postgres");
    assert_eq!(server.cli(&["get", &key]).trim_end(), definition(1).trim_end(), "and Redis has it again");
}

#[tokio::test]
async fn a_stampede_of_a_thousand_makes_one_load() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let (cache, _) = cache(&installation, &installation.settings());
    let asking = (0..1_000).map(|_| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { cache.plan(&pinned(1), checksum(1)).await.unwrap().version })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), 1);
    }
    assert_eq!((cache.plan_figures().loads, cache.feed_figures().loads), (1, 1));
    let missing = cache.plan(&pinned(7), None).await.map(drop).unwrap_err().to_string();
    assert!(missing.contains("v7"), "{missing}");
}

#[tokio::test]
async fn a_redis_that_comes_and_goes_is_told_of_and_nothing_waits_for_it() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_REDIS_POOL", "1");
    apply(&installation, 1);
    let server = Server::start(&[]).await;
    let (url, port) = (server.url(), server.port);
    drop(server);
    let _steward = installation.start(&["steward"]);
    let (process, health) = live(&installation, &with_redis(&installation, &url));
    let note = || health.ready(Instant::now()).notes.get("redis").cloned().unwrap_or_default();
    eventually("it is told", async || note().contains("does not answer at 127.0.0.1")).await;
    until_version(&process, 1).await;
    let began = Instant::now();
    process.cache().plan(&pinned(1), checksum(1)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let server = Server::start_at(port, &[]).await;
    eventually("it is well", async || note().is_empty()).await;
    apply(&installation, 2);
    until_version(&process, 2).await;
    eventually("the pointer is there", async || server.stat("total_commands_processed") > 3).await;
    drop(server);
    eventually("it is told again", async || note().contains("Redis")).await;
    apply(&installation, 3);
    until_version(&process, 3).await;
}

#[tokio::test]
async fn a_wrong_password_and_a_full_memory_are_told_and_cost_speed_only() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let locked = Server::start(&["--requirepass", "s3cret"]).await;
    let url = format!("redis://:wrong@127.0.0.1:{}", locked.port);
    let (cache_, redis) = cache(&installation, &with_redis(&installation, &url));
    let note = || redis.as_ref().unwrap().note().unwrap_or_default();
    eventually("it is told", async || note().contains("does not let fabric in")).await;
    assert!(!note().contains("wrong@"), "{}", note());
    cache_.plan(&pinned(1), checksum(1)).await.unwrap();

    let full = Server::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let (cache_, redis) = cache(&installation, &with_redis(&installation, &full.url()));
    well(&redis).await;
    cache_.plan(&pinned(1), checksum(1)).await.unwrap();
    let note = redis.as_ref().unwrap().note().unwrap_or_default();
    assert!(note.contains("over its memory limit"), "{note}");
}

#[tokio::test]
async fn who_is_cut_off_from_redis_goes_on_and_reads_nothing_stale_when_it_is_back() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let server = Server::start(&[]).await;
    let to = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), to, Duration::ZERO).unwrap();
    let settings = with_redis(&installation, &format!("redis://{}", proxy.address()));
    let (cache_, redis) = cache(&installation, &settings);
    well(&redis).await;
    let version = async || cache_.active(&cards(), Reads::Fresh).await.unwrap().unwrap().version;
    assert_eq!(version().await, 1);
    proxy.cut();
    apply(&installation, 2);
    // A pointer may be as old as a second; nothing waits longer than the timeout of one question and its answer.
    let deadline = Instant::now() + Duration::from_millis(2_200);
    let mut longest = Duration::ZERO;
    let mut seen = 1;
    while Instant::now() < deadline {
        let began = Instant::now();
        seen = version().await;
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen, 2);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    proxy.heal().unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert_eq!(version().await, 2, "nothing stale after it is back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    well(&redis).await;
}

#[tokio::test]
async fn a_redis_that_was_flushed_is_filled_again() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let server = Server::start(&[]).await;
    let settings = with_redis(&installation, &server.url());
    let (first, redis) = cache(&installation, &settings);
    well(&redis).await;
    first.plan(&pinned(1), checksum(1)).await.unwrap();
    assert_eq!(first.active(&cards(), Reads::Fresh).await.unwrap().unwrap().version, 1);
    server.cli(&["flushall"]);
    let (second, redis) = cache(&installation, &settings);
    well(&redis).await;
    second.plan(&pinned(1), checksum(1)).await.unwrap();
    assert_eq!(second.active(&cards(), Reads::Fresh).await.unwrap().unwrap().version, 1);
    let name = installation.prefix.trim_end_matches('.');
    assert_eq!(server.cli(&["get", &key(&installation, 1)]).trim_end(), definition(1).trim_end());
    let pointer = server.cli(&["get", &format!("{name}:active:feed:cards")]);
    assert!(pointer.split(' ').nth(1) == Some("1"), "{pointer}");
    assert_eq!(redis.unwrap().note(), None);
}

#[tokio::test]
async fn a_redis_that_stalls_costs_its_timeout_a_few_times_and_is_told_of_until_it_answers() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let server = Server::start(&[]).await;
    let (cache, redis) = cache(&installation, &with_redis(&installation, &server.url()));
    well(&redis).await;
    let redis = redis.unwrap();
    let stalled = server.stall();
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        let began = Instant::now();
        cache.document(fabric::config::Kind::Feed, "cards", 1, None).await.unwrap().unwrap();
        redis.get("nothing").await.unwrap_err();
        longest = longest.max(began.elapsed());
    }
    let whole = began.elapsed();
    // The timeout is 50 ms, and a handful of calls wait for it before the breaker opens.
    assert!(longest < Duration::from_millis(500) && whole < Duration::from_millis(1_500), "{longest:?}, {whole:?}");
    let note = redis.note().unwrap_or_default();
    assert!(note.contains("does not answer in time (redis.timeout)"), "{note}");
    drop(stalled);
    eventually("it is well", async || redis.note().is_none()).await;
    well(&Some(redis)).await;
}
