//! The way to what users edit: this process's memory, then Redis, then Postgres.
//!
//! [`fresh`] decides what may be used; [`room`] is the memory; [`shared`] is Redis; [`stored`] is Postgres.

mod fresh;
mod prepare;
mod room;
mod shared;
mod stored;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use sqlx::PgPool;

pub use fresh::{KNOWN, Reads};
pub use room::{Figures, Loaded, Room, Runs};

use super::checksum::Checksum;
use super::known::Known;
use super::references::{ReferenceError, ReferenceSets};
use super::{Active, ConfigError, Kind, PinnedFeed, ReferencePins, Thing, current, feed_version};
use crate::postgres::ServicePool;
use crate::redis::Redis;
use crate::rules::{ReferenceSet, Sets};
use crate::settings::{RoomSettings, Settings};
use crate::telemetry::catalog::{CACHE_LOAD, CACHE_LOOKUPS};
use crate::telemetry::{Statement, sample, timed};
use fresh::Pointer;
use shared::{Shared, cache_of, now_micros};

/// What a compiled plan takes in memory, as a multiple of its definition. A card-transactions plan of 4 KiB of YAML takes
/// some 60 KiB, most of it automata of its patterns.
const PLAN_PER_BYTE: u64 = 16;
/// Whoever asks what is active can do something else by then.
const ANSWER: Duration = Duration::from_secs(2);
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
    plans: Arc<Room<Pinned, PinnedFeed>>,
    /// A plan goes with the first of its sets that leaves.
    sets: Room<Version, ReferenceSet>,
    /// Those that somebody holds, in their room or out of it.
    held: ReferenceSets,
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
        let plans = Arc::new(Room::new("plans", rooms.plans, Runs::FromUse));
        let cache = Arc::new(Self {
            pool,
            shared: Shared::new(redis, &settings.kafka.prefix),
            known,
            feeds: Room::new("feeds", rooms.feeds, Runs::FromUse),
            templates: Room::new("templates", rooms.templates, Runs::FromUse),
            sets: sets_beside(&plans, rooms.references),
            plans,
            held: ReferenceSets::default(),
            looks_up: Mutex::default(),
            active: Room::new("active", POINTERS, Runs::FromLoad),
            feeds_ttl: rooms.feeds.ttl,
            templates_ttl: rooms.templates.ttl,
        });
        sample(&cache, |cache, set| {
            cache.feeds.tell(set);
            cache.templates.tell(set);
            cache.plans.tell(set);
            cache.sets.tell(set);
            cache.active.tell(set);
        });
        cache
    }

    /// One version of a feed, compiled with the reference sets that a job pins. `checksum`: of what processes read of it, as
    /// Postgres told; without it Redis is not asked, since nobody could say whether its answer is the right one.
    pub async fn plan(&self, pinned: &Pinned, checksum: Option<Checksum>) -> Result<Arc<PinnedFeed>, Arc<ConfigError>> {
        let load = || self.load_plan(pinned, checksum).boxed();
        let plan = self.plans.get(pinned, load).await?;
        for (set, version) in &pinned.references {
            // Whoever uses a plan uses its sets.
            self.sets.peek(&(set.clone(), *version)).await;
        }
        Ok(plan.expect("a plan's load gives one or an error"))
    }

    async fn load_plan(&self, pinned: &Pinned, checksum: Option<Checksum>) -> Result<Loaded<PinnedFeed>, ConfigError> {
        let began = Instant::now();
        let Pinned { feed: name, version, references } = pinned;
        let text = self.document(Kind::Feed, name, *version, checksum).await.map_err(ConfigError::Read)?;
        // Whoever is not there is told with those that are.
        let Some(text) = text else { return Err(absent(self.pool.pool(), name, *version).await) };
        let mut bytes = text.len() as u64 * PLAN_PER_BYTE;
        let mut sets = Sets::new();
        for (name, version) in references {
            let set = self.set(name, *version).await.map_err(ConfigError::Reference)?;
            let takes = set.keys.held_bytes() as u64;
            if !self.sets.fits(takes) {
                too_large(name, *version, takes);
                bytes += takes;
            }
            sets.insert(name.clone(), set);
        }
        let (name, version) = (name.clone(), *version);
        // Off the async workers: patterns take their time.
        let compiling = tokio::task::spawn_blocking(move || compile(&name, version, &text, &sets));
        let plan = compiling.await.map_err(|error| ConfigError::Compiler(error.to_string()))??;
        CACHE_LOAD.observe(&["plans"], began.elapsed());
        Ok(Some((Arc::new(plan), bytes)))
    }

    /// A version of a reference set, whole; shared with every plan that looks it up.
    async fn set(&self, name: &str, version: i32) -> Result<Arc<ReferenceSet>, Arc<ReferenceError>> {
        let load = || {
            async {
                let began = Instant::now();
                let set = self.held.get(&self.pool, name, version).await?;
                CACHE_LOAD.observe(&["references"], began.elapsed());
                let bytes = set.keys.held_bytes() as u64;
                Ok(Some((set, bytes)))
            }
            .boxed()
        };
        let set = self.sets.get(&(name.to_owned(), version), load).await?;
        Ok(set.expect("a set's load gives one or an error"))
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
        room.get(&(name.to_owned(), version), load).await
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
        match self.active.get(thing, load).await {
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
        let reading = tokio::time::timeout(ANSWER, current::active(self.pool.pool(), thing));
        let late =
            |_| Err(sqlx::Error::Io(std::io::Error::new(ErrorKind::TimedOut, "Postgres does not answer in time")));
        let active = counted("active", reading.await.unwrap_or_else(late))?;
        self.shared.keep_pointer(thing, &Pointer { active: active.clone(), read_at }).await;
        Ok(active.map(|active| (Arc::new(active), 0)))
    }

    /// Of compiled plans.
    pub fn plan_figures(&self) -> Figures {
        self.plans.figures()
    }

    /// Of reference sets.
    pub fn set_figures(&self) -> Figures {
        self.sets.figures()
    }

    /// Frees what has to go, though nobody asks for anything.
    pub async fn sweep(&self) {
        // Plans after the sets that they go with.
        self.sets.sweep().await;
        self.plans.sweep().await;
        self.feeds.sweep().await;
        self.templates.sweep().await;
        self.active.sweep().await;
    }

    /// Of feeds' documents.
    pub fn feed_figures(&self) -> Figures {
        self.feeds.figures()
    }
}

/// The room of reference sets. A plan keeps its sets alive wherever they are, so those that leave take their plans with
/// them: else memory would hold more than both rooms may.
fn sets_beside(plans: &Arc<Room<Pinned, PinnedFeed>>, settings: RoomSettings) -> Room<Version, ReferenceSet> {
    let plans = Arc::clone(plans);
    Room::watched("references", settings, Runs::FromUse, move |(set, version): &Version| {
        let (set, version) = (set.clone(), *version);
        plans.forget_where(move |pinned| pinned.references.get(&set) == Some(&version));
    })
}

fn too_large(set: &str, version: i32, bytes: u64) {
    let mebibytes = bytes.div_ceil(1 << 20);
    tracing::warn!(
        "the reference set {set} v{version} takes {mebibytes} MiB, more than all sets together may \
         (cache.references_bytes): it stays only where the memory of plans has room for it, else it is read again and \
         again.\n  Raise FABRIC_CACHE_REFERENCES_BYTES."
    );
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
