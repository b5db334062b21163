//! The way to what users edit: this process's memory, then Redis, then Postgres.
//!
//! [`fresh`] decides what may be used; [`room`] is the memory; [`shared`] is Redis; [`stored`] is Postgres.

mod fresh;
mod room;
mod shared;
mod stored;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use sqlx::PgPool;

pub use fresh::{KNOWN, Reads};
pub use room::{Figures, Loaded, Room};

use super::checksum::Checksum;
use super::known::Known;
use super::references::{ReferenceError, ReferenceSets};
use super::{Active, ConfigError, Kind, PinnedFeed, ReferencePins, Thing, current, feed_version};
use crate::postgres::ServicePool;
use crate::redis::Redis;
use crate::rules::{ReferenceSet, Sets, sets_of};
use crate::settings::{RoomSettings, Settings};
use crate::telemetry::catalog::{CACHE_LOAD, CACHE_LOOKUPS};
use crate::telemetry::{Statement, sample, timed};
use fresh::Pointer;
use shared::{Shared, cache_of, now_micros};

/// What a compiled plan takes in memory, as a multiple of its definition. A card-transactions plan of 4 KiB of YAML takes
/// some 60 KiB, most of it automata of its patterns.
const PLAN_PER_BYTE: u64 = 16;
/// Pointers are small, and a thousand of them enough.
const POINTERS: RoomSettings = RoomSettings { bytes: 1 << 20, ttl: fresh::POINTER_HERE };

type Version = (String, i32);

/// A feed version, and the versions of the reference sets that its rules look up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pinned {
    pub feed: String,
    pub version: i32,
    pub references: ReferencePins,
}

/// One per process.
pub struct Cache {
    pool: Arc<ServicePool>,
    shared: Shared,
    known: Arc<Known>,
    feeds: Room<Version, str>,
    templates: Room<Version, str>,
    plans: Room<Pinned, PinnedFeed>,
    /// Each is kept by the plans that look it up.
    sets: ReferenceSets,
    /// Which sets the rules of a feed look up that was made ready here.
    looks_up: Mutex<BTreeMap<String, Vec<String>>>,
    active: Room<Thing, Active>,
    feeds_ttl: Duration,
    templates_ttl: Duration,
}

impl Cache {
    /// `known`: what the process hears of changes; what it knows goes before whatever this holds.
    pub fn new(settings: &Settings, pool: Arc<ServicePool>, redis: Option<Arc<Redis>>, known: Arc<Known>) -> Arc<Self> {
        let rooms = &settings.cache;
        let cache = Arc::new(Self {
            pool,
            shared: Shared::new(redis, &settings.kafka.prefix),
            known,
            feeds: Room::new("feeds", rooms.feeds),
            templates: Room::new("templates", rooms.templates),
            plans: Room::new("plans", rooms.plans),
            sets: ReferenceSets::default(),
            looks_up: Mutex::default(),
            active: Room::new("active", POINTERS),
            feeds_ttl: rooms.feeds.ttl,
            templates_ttl: rooms.templates.ttl,
        });
        sample(&cache, |cache, set| {
            cache.feeds.tell(set);
            cache.templates.tell(set);
            cache.plans.tell(set);
            cache.active.tell(set);
        });
        cache
    }

    /// One version of a feed, compiled with the reference sets that a job pins. `checksum`: of what processes read of it, as
    /// Postgres told; without it Redis is not asked, since nobody could say whether its answer is the right one.
    pub async fn plan(&self, pinned: &Pinned, checksum: Option<Checksum>) -> Result<Arc<PinnedFeed>, Arc<ConfigError>> {
        let load = || self.load_plan(pinned, checksum).boxed();
        let plan = self.plans.get(pinned.clone(), load).await?;
        Ok(plan.expect("a plan's load gives one or an error"))
    }

    async fn load_plan(&self, pinned: &Pinned, checksum: Option<Checksum>) -> Result<Loaded<PinnedFeed>, ConfigError> {
        let began = Instant::now();
        let Pinned { feed: name, version, references } = pinned;
        let text = self.document(Kind::Feed, name, *version, checksum).await.map_err(ConfigError::Read)?;
        // Whoever is not there is told with those that are.
        let Some(text) = text else { return Err(absent(self.pool.pool(), name, *version).await) };
        let bytes = text.len() as u64 * PLAN_PER_BYTE;
        let mut sets = Sets::new();
        for (set, version) in references {
            sets.insert(set.clone(), self.set(set, *version).await?);
        }
        let (name, version) = (name.clone(), *version);
        // Off the async workers: patterns take their time.
        let compiling = tokio::task::spawn_blocking(move || compile(&name, version, &text, &sets));
        let plan = compiling.await.map_err(|error| ConfigError::Compiler(error.to_string()))??;
        CACHE_LOAD.observe(&["plans"], began.elapsed());
        let bytes = bytes + plan.plan.reference_bytes() as u64;
        Ok(Some((Arc::new(plan), bytes)))
    }

    /// A version of a reference set, whole; shared with every plan that looks it up.
    async fn set(&self, name: &str, version: i32) -> Result<Arc<ReferenceSet>, ReferenceError> {
        self.sets.get(&self.pool, name, version).await
    }

    /// What processes read of a version of a feed or a template; `None`: there is no such version.
    pub async fn document(
        &self,
        kind: Kind,
        name: &str,
        version: i32,
        checksum: Option<Checksum>,
    ) -> Result<Option<Arc<str>>, Arc<sqlx::Error>> {
        let (room, ttl) = match kind {
            Kind::Feed => (&self.feeds, self.feeds_ttl),
            Kind::Template => (&self.templates, self.templates_ttl),
            // A set is read key by key.
            Kind::Reference => return Ok(None),
        };
        let load = || {
            async {
                let began = Instant::now();
                let text = self.read_document(kind, name, version, checksum, ttl).await?;
                CACHE_LOAD.observe(&[cache_of(kind)], began.elapsed());
                Ok(text.map(|text| (Arc::from(text.as_str()), text.len() as u64)))
            }
            .boxed()
        };
        room.get((name.to_owned(), version), load).await
    }

    async fn read_document(
        &self,
        kind: Kind,
        name: &str,
        version: i32,
        checksum: Option<Checksum>,
        ttl: Duration,
    ) -> Result<Option<String>, sqlx::Error> {
        if let Some(expected) = checksum {
            let shared = self.shared.document(kind, name, version, expected).await;
            if let Some(text) = shared.and_then(|text| String::from_utf8(text).ok()) {
                return Ok(Some(text));
            }
        }
        let read = timed(Statement::FeedVersion, stored::document(self.pool.pool(), kind, name, version)).await;
        let text = counted(cache_of(kind), read)?;
        if let Some(text) = &text {
            self.shared.keep_document(kind, name, version, text, ttl).await;
        }
        Ok(text)
    }

    /// Which version of a thing is active; `None`: there is no such thing. What this answers was so at some instant within
    /// the last [`KNOWN`]; but for [`Reads::EvenStale`], which hears the last that was known where Postgres is silent.
    pub async fn active(&self, thing: &Thing, reads: Reads) -> Result<Option<Active>, Arc<sqlx::Error>> {
        let (known, confirmed) = self.known.confirmed(thing);
        if fresh::is_known(confirmed, Instant::now()) {
            return Ok(known);
        }
        let load = || self.load_active(thing, known.clone()).boxed();
        match self.active.get(thing.clone(), load).await {
            // What was heard meanwhile goes before what lies there.
            Ok(active) => Ok(fresh::newest(active.map(Arc::unwrap_or_clone), self.known.get(thing))),
            Err(_) if reads == Reads::EvenStale && known.is_some() => Ok(known),
            Err(error) => Err(error),
        }
    }

    async fn load_active(&self, thing: &Thing, known: Option<Active>) -> Result<Loaded<Active>, sqlx::Error> {
        if let Some(pointer) = self.shared.pointer(thing, known.as_ref()).await {
            return Ok(pointer.active.map(|active| (Arc::new(active), 0)));
        }
        // Before it is read: it is at least as young as that.
        let read_at = now_micros();
        let active = counted("active", current::active(self.pool.pool(), thing).await)?;
        self.shared.keep_pointer(thing, &Pointer { active: active.clone(), read_at }).await;
        Ok(active.map(|active| (Arc::new(active), 0)))
    }

    /// A thing changed: what anybody may ask of it next is made ready, and the pointers that others read.
    /// `read_at`: when Postgres was asked for it, by this machine's clock.
    pub(super) async fn prepare(&self, thing: &Thing, active: &Active, read_at: i64) {
        self.active.forget(thing).await;
        self.settle(thing, active).await;
        self.shared.keep_pointer(thing, &Pointer { active: Some(active.clone()), read_at }).await;
    }

    /// As [`prepare`](Self::prepare), of what is known already: a feed and a set that it looks up may have changed at the
    /// same time, and only who is known last finds the other.
    pub(super) async fn settle(&self, thing: &Thing, active: &Active) {
        if active.retired {
            return;
        }
        let ready = match thing.kind {
            Kind::Feed => self.prepare_feed(&thing.name, active, None).await,
            Kind::Template => self.prepare_template(&thing.name, active).await,
            Kind::Reference => self.prepare_set(&thing.name, active.version).await,
        };
        if let Err(error) = ready {
            let version = active.version;
            tracing::warn!(%thing, version, error, "a version that became active cannot be made ready here");
        }
    }

    /// The plan that the next job will ask for. `set`: one that is about to become active.
    async fn prepare_feed(&self, name: &str, active: &Active, set: Option<(&str, i32)>) -> Result<(), String> {
        let Active { version, checksum, .. } = *active;
        // One that was not there a moment ago may be remembered as absent.
        self.forget_absent(&self.feeds, name, version).await;
        let text = self.document(Kind::Feed, name, version, Some(checksum)).await.map_err(|error| error.to_string())?;
        let text = text.ok_or("Postgres has no such version")?;
        let feed =
            crate::feed::parse(&format!("feed {name} v{version}"), &text).map_err(|faults| faults.to_string())?;
        let sets: Vec<String> = sets_of(&feed).into_iter().map(|set| set.to_string()).collect();
        self.looks_up.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), sets.clone());
        let mut references = ReferencePins::new();
        for of in sets {
            let known = self.known.get(&Thing { kind: Kind::Reference, name: of.clone() });
            let next = set.filter(|(set, _)| *set == of).map(|(_, version)| version);
            // A set that is not there: no job can be registered, so none needs a plan.
            let Some(version) = next.or(known.map(|known| known.version)) else { return Ok(()) };
            references.insert(of, version);
        }
        let pinned = Pinned { feed: name.to_owned(), version, references };
        self.plan(&pinned, Some(checksum)).await.map(drop).map_err(|error| error.to_string())
    }

    async fn prepare_template(&self, name: &str, active: &Active) -> Result<(), String> {
        self.forget_absent(&self.templates, name, active.version).await;
        let text = self.document(Kind::Template, name, active.version, Some(active.checksum)).await;
        text.map(drop).map_err(|error| error.to_string())
    }

    /// Every feed that looks it up gets a plan with it; the sets before it serve on meanwhile.
    async fn prepare_set(&self, name: &str, version: i32) -> Result<(), String> {
        let feeds: Vec<String> = {
            let looks_up = self.looks_up.lock().unwrap_or_else(PoisonError::into_inner);
            let using = looks_up.iter().filter(|(_, sets)| sets.iter().any(|set| set == name));
            using.map(|(feed, _)| feed.clone()).collect()
        };
        let mut ready = Ok(());
        for feed in feeds {
            let thing = Thing { kind: Kind::Feed, name: feed };
            if let Some(active) = self.known.get(&thing).filter(|active| !active.retired) {
                let one = self.prepare_feed(&thing.name, &active, Some((name, version))).await;
                ready = ready.and(one.map_err(|error| format!("{thing}: {error}")));
            }
        }
        ready
    }

    async fn forget_absent(&self, room: &Room<Version, str>, name: &str, version: i32) {
        let key = (name.to_owned(), version);
        if room.peek(&key).await.is_none() {
            room.forget(&key).await;
        }
    }

    /// Of compiled plans.
    pub fn plan_figures(&self) -> Figures {
        self.plans.figures()
    }

    /// Of feeds' documents.
    pub fn feed_figures(&self) -> Figures {
        self.feeds.figures()
    }
}

/// What to say where Postgres has no such version.
async fn absent(pool: &PgPool, name: &str, version: i32) -> ConfigError {
    match feed_version(pool, name, version).await {
        Err(error) => error,
        // It came in this very moment: whoever tries again finds it.
        Ok(_) => ConfigError::NoFeed { name: format!("{name} v{version}"), hint: "try again".into() },
    }
}

fn compile(name: &str, version: i32, text: &str, sets: &Sets) -> Result<PinnedFeed, ConfigError> {
    let feed = crate::feed::parse(&format!("feed {name} v{version}"), text)?;
    Ok(PinnedFeed::compile(feed, version, sets).map_err(ReferenceError::from)?)
}

fn counted<T>(cache: &str, answer: Result<Option<T>, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    let word = match &answer {
        Ok(Some(_)) => "hit",
        Ok(None) => "miss",
        Err(_) => "error",
    };
    CACHE_LOOKUPS.add(&[cache, "postgres", word], 1);
    answer
}
