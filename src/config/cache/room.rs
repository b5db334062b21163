//! The memory of a process for one sort of thing: bounded in bytes, each entry loaded once however many ask.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use moka::Expiry;
use moka::future::Cache as Entries;
use moka::notification::RemovalCause;

use super::fresh;
use crate::settings::RoomSettings;
use crate::telemetry::Set;
use crate::telemetry::catalog::{CACHE_AGE, CACHE_BYTES, CACHE_ENTRIES, CACHE_EVICTIONS, CACHE_LOOKUPS};

/// What an entry takes beside its value: key, counters, links. Measured roughly; bytes.
const ENTRY: u64 = 200;

/// A map that forgets. A value that is not there is remembered too, for a moment.
pub struct Room<K, V: ?Sized> {
    /// In metrics: feeds, templates, plans, references, active.
    name: &'static str,
    entries: Entries<K, Entry<V>>,
    counts: Arc<Counts>,
}

struct Entry<V: ?Sized> {
    value: Option<Arc<V>>,
    bytes: u64,
    since: Instant,
}

impl<V: ?Sized> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), bytes: self.bytes, since: self.since }
    }
}

/// A value and how much memory it takes; `None`: there is none to be had.
pub type Loaded<V> = Option<(Arc<V>, u64)>;

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    loads: AtomicU64,
    errors: AtomicU64,
}

/// What a room has done so far, and holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    pub hits: u64,
    pub misses: u64,
    /// Misses that went on to the next layer: the rest waited for one of these.
    pub loads: u64,
    /// Loads that failed.
    pub errors: u64,
    pub entries: u64,
    pub bytes: u64,
}

struct Stay {
    own: Duration,
    random: RandomState,
}

impl<K: Hash, V: ?Sized> Expiry<K, Entry<V>> for Stay {
    fn expire_after_create(&self, key: &K, entry: &Entry<V>, _: Instant) -> Option<Duration> {
        Some(fresh::stay(self.own, entry.value.is_none(), self.random.hash_one((key, entry.since))))
    }

    fn expire_after_update(&self, key: &K, entry: &Entry<V>, at: Instant, _: Option<Duration>) -> Option<Duration> {
        self.expire_after_create(key, entry, at)
    }
}

impl<K, V> Room<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static + ?Sized,
{
    pub fn new(name: &'static str, settings: RoomSettings) -> Self {
        let entries = Entries::builder()
            .max_capacity(settings.bytes)
            .weigher(|_, entry: &Entry<V>| u32::try_from(entry.bytes + ENTRY).unwrap_or(u32::MAX))
            .expire_after(Stay { own: settings.ttl, random: RandomState::new() })
            .eviction_listener(move |_, entry: Entry<V>, cause| {
                CACHE_EVICTIONS.add(&[name, word_of(cause)], 1);
                CACHE_AGE.observe(&[name], entry.since.elapsed());
            })
            .build();
        Self { name, entries, counts: Arc::default() }
    }

    /// What is there, else what `load` gives. Of many who ask for the same at once one loads, the others wait for it.
    pub async fn get<'l, E: Send + Sync + 'static>(
        &self,
        key: K,
        load: impl FnOnce() -> BoxFuture<'l, Result<Loaded<V>, E>>,
    ) -> Result<Option<Arc<V>>, Arc<E>> {
        if let Some(entry) = self.entries.get(&key).await {
            self.counts.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(entry.value);
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        let load = async {
            self.counts.loads.fetch_add(1, Ordering::Relaxed);
            let loaded = load().await.inspect_err(|_| {
                self.counts.errors.fetch_add(1, Ordering::Relaxed);
            })?;
            let (value, bytes) = loaded.map_or((None, 0), |(value, bytes)| (Some(value), bytes));
            Ok(Entry { value, bytes, since: Instant::now() })
        };
        Ok(self.entries.try_get_with(key, load).await?.value)
    }

    /// Only what is there.
    pub async fn peek(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key).await.and_then(|entry| entry.value)
    }

    pub async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    pub fn figures(&self) -> Figures {
        let Counts { hits, misses, loads, errors } = &*self.counts;
        let [hits, misses, loads, errors] = [hits, misses, loads, errors].map(|count| count.load(Ordering::Relaxed));
        let (entries, bytes) = (self.entries.entry_count(), self.entries.weighted_size());
        Figures { hits, misses, loads, errors, entries, bytes }
    }

    /// In the metrics.
    pub fn tell(&self, set: &mut Set<'_>) {
        let figures = self.figures();
        for (word, count) in [("hit", figures.hits), ("miss", figures.misses), ("error", figures.errors)] {
            CACHE_LOOKUPS.reach(&[self.name, "process", word], count);
        }
        set(&CACHE_ENTRIES, &[self.name], figures.entries as f64);
        set(&CACHE_BYTES, &[self.name], figures.bytes as f64);
    }
}

fn word_of(cause: RemovalCause) -> &'static str {
    match cause {
        RemovalCause::Expired => "expired",
        RemovalCause::Size => "room",
        RemovalCause::Explicit | RemovalCause::Replaced => "replaced",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::FutureExt as _;

    use super::*;

    fn room(bytes: u64, ttl: Duration) -> Room<u32, str> {
        Room::new("feeds", RoomSettings { bytes, ttl })
    }

    fn value(text: &str) -> Loaded<str> {
        Some((Arc::from(text), text.len() as u64))
    }

    #[tokio::test]
    async fn of_a_thousand_who_ask_at_once_one_loads() {
        let room = Arc::new(room(1 << 20, Duration::from_secs(60)));
        let loads = Arc::new(AtomicUsize::new(0));
        let asking: Vec<_> = (0..1_000)
            .map(|_| {
                let (room, loads) = (room.clone(), loads.clone());
                tokio::spawn(async move {
                    let load = || {
                        async {
                            loads.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                            Ok::<_, ()>(value("x"))
                        }
                        .boxed()
                    };
                    room.get(7, load).await
                })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap().as_deref(), Some("x"));
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(room.figures().loads, 1);
        assert_eq!(room.figures().hits + room.figures().misses, 1_000);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let room = room(1 << 20, Duration::from_secs(60));
        assert_eq!(*room.get(7, || async { Err("down") }.boxed()).await.unwrap_err(), "down");
        assert_eq!(room.get(7, || async { Ok::<_, &str>(value("x")) }.boxed()).await.unwrap().as_deref(), Some("x"));
        assert_eq!((room.figures().loads, room.figures().errors), (2, 1));
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let room = room(10_000, Duration::from_secs(60));
        let text = "x".repeat(800);
        for key in 0..100 {
            room.get(key, || async { Ok::<_, ()>(value(&text)) }.boxed()).await.unwrap();
        }
        room.entries.run_pending_tasks().await;
        let figures = room.figures();
        assert!(figures.bytes <= 10_000 && figures.entries >= 5, "{figures:?}");
    }

    #[tokio::test]
    async fn that_there_is_none_is_kept_for_a_moment() {
        let room = room(1 << 20, Duration::from_millis(20));
        assert_eq!(room.get(7, || async { Ok::<_, ()>(None) }.boxed()).await.unwrap(), None);
        assert_eq!(room.get(7, || async { Err("asked too soon") }.boxed()).await.unwrap(), None);
        let began = Instant::now();
        while room.get(7, || async { Ok::<_, ()>(value("x")) }.boxed()).await.unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
