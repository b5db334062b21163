//! Feeds that are active → the streams that there are, looked at every second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tracing::warn;

use super::plans::Plans;
use crate::feed::BatchLimits;
use crate::postgres;
use crate::settings::PostgresSettings;

const INTERVAL: Duration = Duration::from_secs(1);

/// A feed whose records come from a topic.
#[derive(Debug)]
pub struct Stream {
    pub feed: String,
    pub topic: String,
    limits: Mutex<BatchLimits>,
}

impl Stream {
    pub fn new(feed: String, topic: String, limits: BatchLimits) -> Self {
        Self { feed, topic, limits: Mutex::new(limits) }
    }

    pub fn limits(&self) -> BatchLimits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version of the feed says so.
    pub fn set_limits(&self, limits: BatchLimits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

/// The streams of the installation.
pub struct Streams {
    pool: PgPool,
    postgres: PostgresSettings,
    plans: Arc<Plans>,
    known: watch::Sender<Vec<Arc<Stream>>>,
}

impl Streams {
    pub fn new(pool: PgPool, postgres: PostgresSettings, plans: Arc<Plans>) -> Arc<Self> {
        Arc::new(Self { pool, postgres, plans, known: watch::Sender::new(Vec::new()) })
    }

    pub fn now(&self) -> Vec<Arc<Stream>> {
        self.known.borrow().clone()
    }

    /// Returns once there is one.
    pub async fn some(&self) {
        // The sender lives as long as this.
        self.known.subscribe().wait_for(|streams| !streams.is_empty()).await.ok();
    }

    /// Looks until it is dropped. Where Postgres does not answer, what was known goes on.
    pub async fn run(self: Arc<Self>) {
        loop {
            match self.look().await {
                Ok(found) => self.learn(found).await,
                Err(error) => {
                    warn!(error = postgres::describe(&error, &self.postgres), "cannot ask which streams there are")
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn look(&self) -> Result<Vec<(String, String)>, sqlx::Error> {
        sqlx::query_as(
            "select f.feed, v.stream_topic from fabric.feeds f
               join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
              where f.retired_at is null and v.stream_topic is not null order by f.feed",
        )
        .fetch_all(&self.pool)
        .await
    }

    async fn learn(&self, found: Vec<(String, String)>) {
        let before = self.now();
        let same = |stream: &Stream, (feed, topic): &(String, String)| stream.feed == *feed && stream.topic == *topic;
        if before.len() == found.len() && before.iter().zip(&found).all(|(stream, pair)| same(stream, pair)) {
            return;
        }
        let mut streams = Vec::with_capacity(found.len());
        for pair in found {
            if let Some(known) = before.iter().find(|stream| same(stream, &pair)) {
                streams.push(Arc::clone(known));
                continue;
            }
            // Its first batch closes by the limits that hold until its plan is there.
            let plan = self.plans.active(&pair.0).await.ok();
            let limits = plan.and_then(|plan| plan.feed.stream.as_ref().map(|stream| stream.batch));
            streams.push(Arc::new(Stream::new(pair.0, pair.1, limits.unwrap_or_default())));
        }
        self.known.send_replace(streams);
    }
}
