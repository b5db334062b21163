//! Sets have memory of their own, beside that of the plans that look them up.

use std::sync::Arc;
use std::time::Duration;

use fabric::config::references;
use fabric::config::{self, Cache, Edit, Known, Pinned};
use fabric::postgres::ServicePool;
use fabric::rules::SetFile;
use fabric::settings::{RoomSettings, Settings};

use crate::config::following::eventually;
use crate::config::load as load_settings;
use crate::database::Database;

const HOUR: Duration = Duration::from_secs(3600);

/// A set of so many keys of 24 bytes, and a feed of the same name that looks it up.
async fn given(database: &Database, name: &str, keys: usize) {
    let lines: Vec<String> = (0..keys).map(|key| format!("{name}-{key:0>20}")).collect();
    let file = SetFile::read("keys.csv", format!("code\n{}\n", lines.join("\n")).as_bytes(), &[]).unwrap();
    references::load(&database.pool, name, &file, None).await.unwrap();
    let feed = format!(
        "feed: {name}\nlayout: {{ format: delimited }}\nfields:\n  - {{ name: id, type: string }}\nrules:\n  - {{ name: \
         known, fields: [id], reference: {name} }}\n"
    );
    config::edit_feed(&database.pool, "feed.yaml", &feed, &Edit::default(), &load_settings()).await.unwrap();
}

fn pinned(name: &str) -> Pinned {
    Pinned { feed: name.to_owned(), version: 1, references: [(name.to_owned(), 1)].into() }
}

fn cache(database: &Database, references: RoomSettings) -> Arc<Cache> {
    let mut settings = Settings::default();
    settings.cache.references = references;
    Cache::new(&settings, ServicePool::watched(database.pool.clone()), None, Arc::new(Known::default()))
}

/// Loads, entries and bytes of sets; loads and entries of plans.
async fn figures(cache: &Cache) -> ((u64, u64, u64), (u64, u64)) {
    cache.sweep().await;
    let (sets, plans) = (cache.set_figures(), cache.plan_figures());
    ((sets.loads, sets.entries, sets.bytes), (plans.loads, plans.entries))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_plans_that_are_asked_for_at_once_one_reads_the_set() {
    let database = Database::new().await;
    given(&database, "aa", 1_000).await;
    let cache = cache(&database, RoomSettings { bytes: 64 << 20, ttl: HOUR });
    let asking = (0..1_000).map(|_| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { cache.plan(&pinned("aa"), None).await.unwrap().version })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), 1);
    }
    let ((loads, entries, bytes), plans) = figures(&cache).await;
    assert_eq!((loads, entries, plans), (1, 1, (1, 1)));
    assert!((24_000..64_000).contains(&bytes), "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_makes_room_for_another_takes_its_plan_with_it_and_both_come_back() {
    let database = Database::new().await;
    for name in ["aa", "bb", "cc"] {
        given(&database, name, 10_000).await;
    }
    // Two of them fit.
    let cache = cache(&database, RoomSettings { bytes: 1 << 20, ttl: HOUR });
    for name in ["aa", "bb"] {
        drop(cache.plan(&pinned(name), None).await.unwrap());
    }
    let ((loads, entries, _), plans) = figures(&cache).await;
    assert_eq!((loads, entries, plans), (2, 2, (2, 2)));
    // Whoever uses the plan uses the set.
    drop(cache.plan(&pinned("aa"), None).await.unwrap());
    drop(cache.plan(&pinned("cc"), None).await.unwrap());
    let ((loads, entries, bytes), plans) = figures(&cache).await;
    assert_eq!((loads, entries, plans), (3, 2, (3, 2)));
    assert!(bytes <= 1 << 20, "{bytes}");
    drop(cache.plan(&pinned("aa"), None).await.unwrap());
    assert_eq!(figures(&cache).await.1.0, 3, "the one that was used is there");
    drop(cache.plan(&pinned("bb"), None).await.unwrap());
    let ((loads, entries, _), plans) = figures(&cache).await;
    assert_eq!((loads, entries, plans), (4, 2, (4, 2)), "and the other is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_larger_than_its_room_is_counted_with_its_plan() {
    let database = Database::new().await;
    given(&database, "aa", 30_000).await;
    let cache = cache(&database, RoomSettings { bytes: 1 << 20, ttl: HOUR });
    for _ in 0..3 {
        drop(cache.plan(&pinned("aa"), None).await.unwrap());
        let ((loads, entries, _), plans) = figures(&cache).await;
        assert_eq!((loads, entries, plans), (1, 0, (1, 1)));
    }
    let bytes = cache.plan_figures().bytes;
    assert!(bytes > 1 << 20, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_nobody_asks_for_is_freed_with_its_plan_and_what_is_asked_for_is_not_read_again() {
    let database = Database::new().await;
    given(&database, "aa", 1_000).await;
    given(&database, "bb", 1_000).await;
    let cache = cache(&database, RoomSettings { bytes: 64 << 20, ttl: Duration::from_millis(400) });
    drop(cache.plan(&pinned("aa"), None).await.unwrap());
    let held = Arc::downgrade(&cache.plan(&pinned("bb"), None).await.unwrap());
    eventually("the one that nobody asks for is gone", async || {
        drop(cache.plan(&pinned("aa"), None).await.unwrap());
        cache.sweep().await;
        held.strong_count() == 0
    })
    .await;
    let ((loads, entries, _), plans) = figures(&cache).await;
    assert_eq!((loads, entries, plans), (2, 1, (2, 1)));
}
