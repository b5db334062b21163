//! The memory of a process for one sort of thing: bounded in bytes, each entry loaded once however many ask.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use futures::future::BoxFuture;
use moka::Expiry;
use moka::future::Cache as Entries;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

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
    /// Bytes, at most.
    limit: u64,
    ttl: Duration,
    entries: Entries<K, Entry<V>, RandomState>,
    random: RandomState,
    counts: Arc<Counts>,
}

struct Entry<V: ?Sized> {
    value: Option<Arc<V>>,
    bytes: u64,
    since: Instant,
    /// How long, from when its time runs.
    stay: Duration,
}

impl<V: ?Sized> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), bytes: self.bytes, since: self.since, stay: self.stay }
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

/// From when on the time of an entry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// It may be outdated some day.
    FromLoad,
    /// It never changes, and only lies about when nobody wants it any more.
    FromUse,
}

impl<K, V: ?Sized> Expiry<K, Entry<V>> for Runs {
    fn expire_after_create(&self, _: &K, entry: &Entry<V>, _: Instant) -> Option<Duration> {
        Some(entry.stay)
    }

    fn expire_after_read(
        &self,
        _: &K,
        entry: &Entry<V>,
        _: Instant,
        left: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        match self {
            Self::FromUse if entry.value.is_some() => Some(entry.stay),
            Self::FromUse | Self::FromLoad => left,
        }
    }

    fn expire_after_update(&self, _: &K, entry: &Entry<V>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.stay)
    }
}

impl<K, V> Room<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static + ?Sized,
{
    pub fn new(name: &'static str, settings: RoomSettings, runs: Runs) -> Self {
        Self::watched(name, settings, runs, |_| {})
    }

    /// `leaves` hears of each key whose entry has left, but for one that never [fitted](Self::fits); it must not wait.
    pub fn watched(
        name: &'static str,
        settings: RoomSettings,
        runs: Runs,
        leaves: impl Fn(&K) + Send + Sync + 'static,
    ) -> Self {
        let limit = settings.bytes;
        let entries = Entries::builder()
            .max_capacity(settings.bytes)
            .weigher(|_, entry: &Entry<V>| u32::try_from(entry.bytes + ENTRY).unwrap_or(u32::MAX))
            // The default turns away what is new where the rest was asked for more often; what is made ready is wanted.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(runs)
            .support_invalidation_closures()
            .eviction_listener(move |key, entry: Entry<V>, cause| {
                if entry.bytes.saturating_add(ENTRY) <= limit {
                    leaves(&key);
                }
                CACHE_EVICTIONS.add(&[name, word_of(cause)], 1);
                CACHE_AGE.observe(&[name], entry.since.elapsed());
            })
            // A lookup of a plan stands before each chunk.
            .build_with_hasher(RandomState::default());
        Self { name, limit, ttl: settings.ttl, entries, random: RandomState::default(), counts: Arc::default() }
    }

    /// What is there, else what `load` gives. Of many who ask for the same at once one loads, the others wait for it.
    pub async fn get<'l, E: Send + Sync + 'static>(
        &self,
        key: &K,
        load: impl FnOnce() -> BoxFuture<'l, Result<Loaded<V>, E>>,
    ) -> Result<Option<Arc<V>>, Arc<E>> {
        if let Some(entry) = self.entries.get(key).await {
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
            let since = Instant::now();
            let stay = fresh::stay(self.ttl, value.is_none(), self.random.hash_one(since));
            Ok(Entry { value, bytes, since, stay })
        };
        Ok(self.entries.try_get_with_by_ref(key, load).await?.value)
    }

    /// Only what is there.
    pub async fn peek(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key).await.and_then(|entry| entry.value)
    }

    pub async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    /// Forgets every entry of which that is so; none of them is found from now on.
    pub fn forget_where(&self, is_so: impl Fn(&K) -> bool + Send + Sync + 'static) {
        let forgotten = self.entries.invalidate_entries_if(move |key, _| is_so(key));
        debug_assert!(forgotten.is_ok(), "the room is built with invalidation closures");
    }

    /// Whether a value of so many bytes can be kept at all.
    pub fn fits(&self, bytes: u64) -> bool {
        bytes.saturating_add(ENTRY) <= self.limit
    }

    /// Frees what has to go: without it that happens only while others are asked for.
    pub async fn sweep(&self) {
        self.entries.run_pending_tasks().await;
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
