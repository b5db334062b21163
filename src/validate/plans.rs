//! What a job pins, kept in process: pins are immutable, tokens only grow.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::chunk::{JobId, TokenHash};
use crate::config::{Cache, Checksum, ConfigError, Kind, Pinned, PinnedFeed, Reads, Thing};
use crate::faults::{self, Defect};
use crate::jobs::{self, Pins};
use crate::postgres::{self, ServicePool};
use crate::settings::PostgresSettings;
use crate::telemetry::{Statement, timed};

/// Jobs whose pins are kept.
const KEPT_JOBS: usize = 1_024;

/// Why there is no plan for a chunk now.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// In people's words.
    #[error("{0}")]
    Postgres(String),
    #[error("feed {feed} version {version}: {error}")]
    Feed { feed: String, version: i32, error: Arc<ConfigError> },
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
    cache: Arc<Cache>,
}

/// Plans are the cache's: a job that is done keeps none, and no reference set.
struct JobPlan {
    tokens: Vec<TokenHash>,
    pinned: Pinned,
    checksum: Checksum,
}

impl Plans {
    pub fn new(pool: Arc<ServicePool>, postgres: &PostgresSettings, cache: Arc<Cache>) -> Self {
        Self { pool, postgres: postgres.clone(), jobs: Mutex::new(Kept::new(KEPT_JOBS)), cache }
    }

    /// The plan of a job, for whoever has one of its tokens. An unknown token is asked for again: a resume adds one.
    pub async fn find(&self, job: JobId, token: TokenHash) -> Result<Found, PlanError> {
        let kept = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).get(&job);
        if let Some(plan) = kept.filter(|plan| plan.tokens.contains(&token)) {
            return Ok(Found::Known(self.feed(&plan.pinned, plan.checksum).await?));
        }
        let pins = self.pins(job).await.map_err(|error| self.in_words(&error))?;
        let Some(pins) = pins else { return Ok(Found::NoJob) };
        if !pins.tokens.contains(&token) && !faults::has(Defect::ForeignTokenTaken) {
            return Ok(Found::WrongToken);
        }
        let pinned = Pinned { feed: pins.feed, version: pins.feed_version, references: pins.references };
        let feed = self.feed(&pinned, pins.checksum).await?;
        let plan = Arc::new(JobPlan { tokens: pins.tokens, pinned, checksum: pins.checksum });
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).put(job, plan);
        Ok(Found::Known(feed))
    }

    async fn pins(&self, job: JobId) -> Result<Option<Pins>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        timed(Statement::JobPins, jobs::pins(&mut *connection, job)).await
    }

    async fn feed(&self, pinned: &Pinned, checksum: Checksum) -> Result<Arc<PinnedFeed>, PlanError> {
        let (mut pinned, mut checksum) = (pinned.clone(), checksum);
        if faults::has(Defect::JudgedByActive) {
            let thing = Thing { kind: Kind::Feed, name: pinned.feed.clone() };
            if let Ok(Some(active)) = self.cache.active(&thing, Reads::EvenStale).await {
                (pinned.version, checksum) = (active.version, active.checksum);
            }
        }
        let compiled = self.cache.plan(&pinned, Some(checksum)).await;
        compiled.map_err(|error| match error.postgres() {
            Some(error) => self.in_words(error),
            None => PlanError::Feed { feed: pinned.feed.clone(), version: pinned.version, error },
        })
    }

    fn in_words(&self, error: &sqlx::Error) -> PlanError {
        PlanError::Postgres(postgres::describe(error, &self.postgres))
    }
}

/// A bounded map that forgets what came first.
struct Kept<K, V> {
    limit: usize,
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    fn new(limit: usize) -> Self {
        Self { limit, values: HashMap::new(), order: VecDeque::new() }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.values.get(key).cloned()
    }

    fn put(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.limit {
            let oldest = self.order.pop_front();
            oldest.map(|key| self.values.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_is_forgotten_first_and_a_new_value_replaces_the_old() {
        let mut kept = Kept::new(2);
        kept.put(1, "a");
        kept.put(1, "b");
        kept.put(2, "c");
        assert_eq!(kept.get(&1), Some("b"));
        kept.put(3, "d");
        assert_eq!((kept.get(&1), kept.get(&2), kept.get(&3)), (None, Some("c"), Some("d")));
    }
}
