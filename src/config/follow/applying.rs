//! What Postgres says is active now → what this process knows, once it is ready for use.
//!
//! Each thing goes by itself: a large reference set, or one that cannot be read just now, keeps no other waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Prepares;
use crate::config::cache::Cache;
use crate::config::known::Known;
use crate::config::{Active, Kind, Thing};
use crate::faults;
use crate::telemetry::catalog::{CONFIG_EVENTS, CONFIG_PROPAGATION};

/// Feeds and templates that are made ready side by side.
const DEFINITIONS: usize = 4;
/// Reference sets: each takes memory while it is read.
const SETS: usize = 2;

/// Ends what it does when dropped.
pub(super) struct Applying {
    desk: Arc<Desk>,
    tasks: JoinSet<()>,
}

struct Desk {
    cache: Arc<Cache>,
    known: Arc<Known>,
    prepares: Prepares,
    /// What somebody works on.
    slots: Mutex<HashMap<Thing, Slot>>,
    definitions: Semaphore,
    sets: Semaphore,
}

struct Slot {
    /// The greatest revision that was told.
    told: i64,
    /// What is to be done next: the newest, whatever came between.
    next: Option<Told>,
}

/// What Postgres said, and when it was asked: microseconds since 1970-01-01T00:00:00Z, by this machine's clock.
struct Told {
    active: Active,
    at: i64,
}

impl Applying {
    pub(super) fn new(cache: Arc<Cache>, known: Arc<Known>, prepares: Prepares) -> Self {
        let (definitions, sets) = (Semaphore::new(DEFINITIONS), Semaphore::new(SETS));
        let desk = Desk { cache, known, prepares, slots: Mutex::default(), definitions, sets };
        Self { desk: Arc::new(desk), tasks: JoinSet::new() }
    }

    /// Has it made ready and then known, unless somebody is on it. Call it on the runtime.
    pub(super) fn begin(&mut self, thing: Thing, active: Active, at: i64) {
        while self.tasks.try_join_next().is_some() {}
        let revision = active.revision;
        let mut slots = self.desk.slots();
        let is_new = !slots.contains_key(&thing);
        let slot = slots.entry(thing.clone()).or_insert(Slot { told: i64::MIN, next: None });
        if slot.told >= revision {
            return;
        }
        *slot = Slot { told: revision, next: Some(Told { active, at }) };
        self.desk.known.comes(&thing, revision);
        drop(slots);
        if is_new {
            self.tasks.spawn(Arc::clone(&self.desk).work(thing));
        }
    }

    /// Postgres has no such thing (any more).
    pub(super) fn forget(&mut self, thing: Thing) {
        self.desk.slots().remove(&thing);
        self.desk.known.unlearn(thing);
    }
}

impl Desk {
    async fn work(self: Arc<Self>, thing: Thing) {
        let turns = match thing.kind {
            Kind::Reference => &self.sets,
            Kind::Feed | Kind::Template => &self.definitions,
        };
        while let Some(told) = self.next(&thing) {
            // Never closed.
            let _turn = turns.acquire().await;
            self.apply(&thing, told).await;
        }
    }

    fn next(&self, thing: &Thing) -> Option<Told> {
        let mut slots = self.slots();
        let next = slots.get_mut(thing).and_then(|slot| slot.next.take());
        if next.is_none() {
            slots.remove(thing);
        }
        next
    }

    /// Applied is what the next use waits for nothing of.
    async fn apply(&self, thing: &Thing, Told { active, at }: Told) {
        let Active { version, revision, retired, changed_at, .. } = active;
        let began = Instant::now();
        if self.prepares == Prepares::Plans {
            self.cache.prepare(thing, &active, at).await;
        }
        faults::step("config.prepared").await;
        let ready_ms = began.elapsed().as_micros() as f64 / 1000.0;
        if !self.slots().contains_key(thing) {
            return;
        }
        self.known.learn(thing.clone(), active.clone());
        if self.prepares == Prepares::Plans {
            self.cache.settle(thing, &active).await;
        }
        let micros = jiff::Timestamp::now().as_microsecond().saturating_sub(changed_at);
        let delay = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        CONFIG_EVENTS.add(&["applied"], 1);
        CONFIG_PROPAGATION.observe(&[thing.kind.as_str()], delay);
        let delay_ms = micros as f64 / 1000.0;
        let Thing { kind, name } = thing;
        tracing::info!(%kind, name, version, revision, retired, delay_ms, ready_ms, "config applied");
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Thing, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
