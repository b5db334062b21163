//! What a job pins, kept in process: plans and reference sets are immutable, tokens only grow.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::chunk::{JobId, TokenHash};
use crate::config::references::{ReferenceError, ReferenceSets};
use crate::config::{self, ConfigError, PinnedFeed, ReferencePins};
use crate::jobs::{self, Pins};
use crate::postgres::{self, ServicePool};
use crate::rules::Sets;
use crate::settings::PostgresSettings;
use crate::telemetry::{Statement, timed};

/// Jobs whose pins are kept.
const KEPT_JOBS: usize = 1_024;
/// Compiled feed versions that are kept.
const KEPT_FEEDS: usize = 128;
/// Of the reference sets of these, each counted with every feed that looks it up: ten sets of a million short keys.
const KEPT_SET_BYTES: usize = 256 << 20;

/// Why there is no plan for a chunk now.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// In people's words.
    #[error("{0}")]
    Postgres(String),
    #[error("feed {feed} version {version}: {error}")]
    Feed { feed: String, version: i32, error: ConfigError },
    #[error("feed {feed} version {version}: {error}")]
    References { feed: String, version: i32, error: ReferenceError },
}

/// Whose chunk it says it is.
pub enum Found {
    Known(Arc<PinnedFeed>),
    /// No such job.
    NoJob,
    /// A token that is none of the job's.
    WrongToken,
}

pub struct Plans {
    pool: Arc<ServicePool>,
    postgres: PostgresSettings,
    jobs: Mutex<Kept<JobId, Arc<JobPlan>>>,
    feeds: Mutex<Kept<Pinned, Arc<PinnedFeed>>>,
    sets: ReferenceSets,
}

/// A feed version, and the versions of the reference sets that its rules look up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pinned {
    feed: String,
    version: i32,
    references: ReferencePins,
}

struct JobPlan {
    tokens: Vec<TokenHash>,
    /// Kept alive among the feeds, and by the chunks that it judges: a job that is done keeps no reference set.
    feed: Weak<PinnedFeed>,
    pinned: Pinned,
}

impl Plans {
    pub fn new(pool: Arc<ServicePool>, postgres: &PostgresSettings) -> Self {
        let jobs = Mutex::new(Kept::new(Bounds { values: KEPT_JOBS, bytes: 0 }, |_| 0));
        let bounds = Bounds { values: KEPT_FEEDS, bytes: KEPT_SET_BYTES };
        let feeds = Mutex::new(Kept::new(bounds, |feed: &Arc<PinnedFeed>| feed.plan.reference_bytes()));
        Self { pool, postgres: postgres.clone(), jobs, feeds, sets: ReferenceSets::default() }
    }

    /// The plan of a job, for whoever has one of its tokens. An unknown token is asked for again: a resume adds one.
    pub async fn find(&self, job: JobId, token: TokenHash) -> Result<Found, PlanError> {
        let kept = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).get(&job);
        if let Some(plan) = kept.filter(|plan| plan.tokens.contains(&token)) {
            return Ok(Found::Known(match plan.feed.upgrade() {
                Some(feed) => feed,
                None => self.feed(plan.pinned.clone()).await?,
            }));
        }
        let pins = self.pins(job).await.map_err(|error| self.in_words(&error))?;
        let Some(pins) = pins else { return Ok(Found::NoJob) };
        if !pins.tokens.contains(&token) {
            return Ok(Found::WrongToken);
        }
        let pinned = Pinned { feed: pins.feed, version: pins.feed_version, references: pins.references };
        let feed = self.feed(pinned.clone()).await?;
        let plan = Arc::new(JobPlan { tokens: pins.tokens, feed: Arc::downgrade(&feed), pinned });
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).put(job, plan);
        Ok(Found::Known(feed))
    }

    async fn pins(&self, job: JobId) -> Result<Option<Pins>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        timed(Statement::JobPins, jobs::pins(&mut *connection, job)).await
    }

    async fn feed(&self, pinned: Pinned) -> Result<Arc<PinnedFeed>, PlanError> {
        if let Some(feed) = self.feeds.lock().unwrap_or_else(PoisonError::into_inner).get(&pinned) {
            return Ok(feed);
        }
        let stored = config::feed_version(self.pool.pool(), &pinned.feed, pinned.version);
        let stored = timed(Statement::FeedVersion, stored).await.map_err(|error| match error {
            ConfigError::Postgres(error) => self.in_words(&error),
            error => PlanError::Feed { feed: pinned.feed.clone(), version: pinned.version, error },
        })?;
        let sets = self.sets(&pinned.references).await.map_err(|error| self.at_references(&pinned, error))?;
        let feed = PinnedFeed::compile(stored, &sets).map_err(|fault| self.at_references(&pinned, fault.into()))?;
        let feed = Arc::new(feed);
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).put(pinned, Arc::clone(&feed));
        Ok(feed)
    }

    async fn sets(&self, pins: &ReferencePins) -> Result<Sets, ReferenceError> {
        let mut sets = Sets::new();
        for (name, version) in pins {
            sets.insert(name.clone(), self.sets.get(&self.pool, name, *version).await?);
        }
        Ok(sets)
    }

    fn at_references(&self, pinned: &Pinned, error: ReferenceError) -> PlanError {
        match error {
            ReferenceError::Postgres(error) => self.in_words(&error),
            error => PlanError::References { feed: pinned.feed.clone(), version: pinned.version, error },
        }
    }

    fn in_words(&self, error: &sqlx::Error) -> PlanError {
        PlanError::Postgres(postgres::describe(error, &self.postgres))
    }
}

struct Bounds {
    values: usize,
    bytes: usize,
}

/// A bounded map that forgets what came first, but never what came last.
struct Kept<K, V> {
    bounds: Bounds,
    weigh: fn(&V) -> usize,
    values: HashMap<K, V>,
    bytes: usize,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    fn new(bounds: Bounds, weigh: fn(&V) -> usize) -> Self {
        Self { bounds, weigh, values: HashMap::new(), bytes: 0, order: VecDeque::new() }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.values.get(key).cloned()
    }

    fn put(&mut self, key: K, value: V) {
        self.bytes += (self.weigh)(&value);
        match self.values.insert(key.clone(), value) {
            Some(old) => self.bytes -= (self.weigh)(&old),
            None => self.order.push_back(key),
        }
        while self.order.len() > 1 && (self.order.len() > self.bounds.values || self.bytes > self.bounds.bytes) {
            let oldest = self.order.pop_front().and_then(|key| self.values.remove(&key));
            self.bytes -= oldest.as_ref().map_or(0, self.weigh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_is_forgotten_first_and_a_new_value_replaces_the_old() {
        let mut kept = Kept::new(Bounds { values: 2, bytes: 0 }, |_| 0);
        kept.put(1, "a");
        kept.put(1, "b");
        kept.put(2, "c");
        assert_eq!(kept.get(&1), Some("b"));
        kept.put(3, "d");
        assert_eq!((kept.get(&1), kept.get(&2), kept.get(&3)), (None, Some("c"), Some("d")));
    }

    #[test]
    fn large_values_make_room_for_others_and_the_last_always_stays() {
        let mut kept = Kept::new(Bounds { values: 9, bytes: 10 }, |text: &&str| text.len());
        kept.put(1, "four");
        kept.put(2, "five5");
        kept.put(3, "x");
        assert_eq!((kept.get(&1), kept.get(&2)), (Some("four"), Some("five5")));
        kept.put(3, "xx");
        assert_eq!((kept.get(&1), kept.get(&3)), (None, Some("xx")));
        kept.put(4, "more than ten");
        assert_eq!((kept.get(&2), kept.get(&3), kept.get(&4)), (None, None, Some("more than ten")));
    }
}
