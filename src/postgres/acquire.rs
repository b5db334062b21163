//! Takes connections out of a process's pool, and tells how that goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use crate::telemetry::catalog::{POOL_ACQUIRE, POOL_CONNECTIONS, POOL_IN_USE, POOL_WAITING};
use crate::telemetry::sample;

const SERVICE: &str = "service";

/// The pool of a process's questions, beside its loaders.
#[derive(Debug)]
pub struct ServicePool {
    pool: PgPool,
    waiting: AtomicUsize,
}

impl ServicePool {
    /// Shows it in the metrics as long as the answer is kept.
    pub fn watched(pool: PgPool) -> Arc<Self> {
        let watched = Arc::new(Self { pool, waiting: AtomicUsize::new(0) });
        sample(&watched, |watched, set| {
            let open = watched.pool.size() as usize;
            set(&POOL_CONNECTIONS, &[SERVICE], open as f64);
            set(&POOL_IN_USE, &[SERVICE], open.saturating_sub(watched.pool.num_idle()) as f64);
            set(&POOL_WAITING, &[SERVICE], watched.waiting.load(Ordering::Relaxed) as f64);
        });
        watched
    }

    /// Waits for a free connection.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        /// Also where the one who waits gives up.
        struct Waits<'w>(&'w AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let began = Instant::now();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        let acquired = self.pool.acquire().await;
        POOL_ACQUIRE.observe(&[SERVICE], began.elapsed());
        acquired
    }

    /// For statements that take a connection of it by themselves.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}
