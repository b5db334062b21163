//! One process's hold on what users edit: it follows, and answers from its cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::cache::Cache;
use super::follow::{Follower, Reader};
use super::known::{Holding, Known, Way};
use crate::postgres::ServicePool;
use crate::redis::{Redis, RedisUrlError};
use crate::settings::Settings;
use crate::telemetry::catalog::CONFIG_FOLLOWS;
use crate::telemetry::{Health, Part, sample};

pub use super::follow::Prepares;

/// News that wait for who asks Postgres: the reader waits then.
const NEWS: usize = 1_000;

/// Why a process cannot begin to follow.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Redis(#[from] RedisUrlError),
    #[error("no thread can be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Follows until it is dropped.
pub struct Live {
    pool: Arc<ServicePool>,
    cache: Arc<Cache>,
    known: Arc<Known>,
    redis: Option<Arc<Redis>>,
    again: Arc<Notify>,
    stop: Arc<AtomicBool>,
    following: JoinHandle<()>,
}

impl Live {
    /// Begins to follow, by connections of `pool`, which it shows in the metrics; answers at once. `health` hears whether it can. Call it on the runtime.
    pub fn start(
        settings: &Settings,
        pool: PgPool,
        health: Arc<Health>,
        prepares: Prepares,
    ) -> Result<Arc<Self>, LiveError> {
        let redis = Redis::start(&settings.redis)?.map(Arc::new);
        let known = Arc::new(Known::default());
        let pool = ServicePool::watched(pool);
        let cache = Cache::new(settings, Arc::clone(&pool), redis.clone(), Arc::clone(&known));
        let (again, stop) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (sender, news) = mpsc::channel(NEWS);
        let reader = Reader::new(&settings.kafka, sender, Arc::clone(&stop));
        // Not joined: it notices within a poll that nobody listens, and has nothing to finish.
        std::thread::Builder::new().name("fabric-config".into()).spawn(move || reader.run())?;
        let follower = Follower::new(
            pool.pool().clone(),
            settings.postgres.clone(),
            Arc::clone(&cache),
            Arc::clone(&known),
            prepares,
        );
        let told = {
            let redis = redis.clone();
            move |way: &Way| tell(&health, way, redis.as_ref().and_then(|redis| redis.note()))
        };
        let following = tokio::spawn(follower.run(news, Arc::clone(&again), told));
        sample(&known, |known, set| {
            set(&CONFIG_FOLLOWS, &[], f64::from(u8::from(known.way() == Way::Topic)));
        });
        Ok(Arc::new(Self { pool, cache, known, redis, again, stop, following }))
    }

    /// Of the process's questions to Postgres.
    pub fn pool(&self) -> &Arc<ServicePool> {
        &self.pool
    }

    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    pub fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// `None`: none is set.
    pub fn redis(&self) -> Option<&Arc<Redis>> {
        self.redis.as_ref()
    }

    /// For people: what this process holds.
    pub fn holding(&self) -> Holding {
        self.known.holding(self.redis.as_ref().and_then(|redis| redis.note()))
    }

    /// Has Postgres read soon, whatever the topic says.
    pub fn look_again(&self) {
        self.again.notify_one();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("way", &self.known.way()).finish_non_exhaustive()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.following.abort();
    }
}

fn tell(health: &Health, way: &Way, redis: Option<String>) {
    let note = match way {
        Way::Starting => {
            health.ill(Part::Config, "what is active has not been read yet");
            None
        }
        Way::Topic => {
            health.well(Part::Config);
            None
        }
        Way::Postgres(why) => {
            health.well(Part::Config);
            Some(format!("the config topic is not followed, Postgres is read every second: {why}"))
        }
        Way::Cut(why) => {
            health.ill(Part::Config, why.clone());
            None
        }
    };
    health.note("config", note);
    health.note("redis", redis);
}
