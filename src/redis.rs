//! The way to Redis: connections that come back by themselves, a breaker before them, and in people's words what is wrong.
//!
//! Redis costs speed only: every answer comes within `redis.timeout`, if only as an error, and whoever asked goes on to
//! Postgres. After a few errors nobody asks until a probe has been answered.

mod connection;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fred::clients::Pool;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Expiration;
use recloser::{AsyncRecloser, Recloser};
use tokio::task::JoinHandle;

use crate::settings::RedisSettings;
use crate::telemetry::catalog::{REDIS, REDIS_CALL};
use crate::telemetry::sample;
use trouble::{Fault, Trouble};

/// Errors among so many calls open the breaker, where they are half of them.
const CALLS: usize = 4;
/// While the breaker is open nobody waits for Redis; after this long a probe does.
const OPEN_FOR: Duration = Duration::from_millis(500);
/// Between two probes of a Redis that nobody else asks anything.
const PROBE: Duration = Duration::from_secs(1);

/// Why Redis gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    #[error("there is no connection")]
    Away,
    /// Nobody asked.
    #[error("it has not answered of late")]
    Open,
    #[error("no answer in time")]
    Late,
    /// Over `maxmemory`.
    #[error("it is over its memory limit")]
    Full,
    /// As Redis words it.
    #[error("{0}")]
    Refused(String),
}

/// `redis.url` is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "redis.url (FABRIC_REDIS_URL) cannot be read ({0}): it wants redis://USER:PASSWORD@HOST:PORT/DATABASE, or \
     rediss:// for TLS; leave it out to go without Redis"
)]
pub struct RedisUrlError(String);

/// Ends its connections when dropped.
pub struct Redis {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

struct Shared {
    timeout: Duration,
    breaker: AsyncRecloser,
    /// `None` while there is no connection.
    pool: Mutex<Option<Pool>>,
    trouble: Trouble,
}

impl Redis {
    /// Begins to connect; answers at once. `None`: none is set. Call it on the runtime.
    pub fn start(settings: &RedisSettings) -> Result<Option<Self>, RedisUrlError> {
        if settings.url.trim().is_empty() {
            return Ok(None);
        }
        let connection = connection::Connection::new(settings)?;
        let breaker = Recloser::custom().error_rate(0.5).closed_len(CALLS).half_open_len(1).open_wait(OPEN_FOR).build();
        let shared = Arc::new(Shared {
            timeout: settings.timeout,
            breaker: breaker.into(),
            pool: Mutex::new(None),
            trouble: Trouble::new(connection.place().to_owned()),
        });
        sample(&shared, |shared, set| set(&REDIS, &[], f64::from(u8::from(shared.trouble.note().is_none()))));
        let tasks =
            [tokio::spawn(connection.keep(Arc::clone(&shared))), tokio::spawn(probe(Arc::clone(&shared), PROBE))];
        Ok(Some(Self { shared, tasks }))
    }

    /// A value; `None` where there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RedisError> {
        self.shared.call("get", async |pool| pool.get(key).await).await
    }

    /// Sets a value that goes after `ttl`.
    pub async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), RedisError> {
        let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).max(1);
        let value = bytes::Bytes::from(value);
        self.shared
            .call("set", async |pool| pool.set::<(), _, _>(key, value, Some(Expiration::PX(millis)), None, false).await)
            .await
    }

    /// What is wrong with it now, for people.
    pub fn note(&self) -> Option<String> {
        self.shared.trouble.note()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn pool(&self) -> Option<Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_pool(&self, pool: Option<Pool>) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }

    /// Asks through the breaker. A refusal is an answer.
    async fn call<T>(&self, word: &str, ask: impl AsyncFnOnce(Pool) -> Result<T, Error>) -> Result<T, RedisError> {
        let asked = async {
            let pool = self.pool().ok_or(RedisError::Away)?;
            match tokio::time::timeout(self.timeout, ask(pool)).await {
                Ok(answer) => answer.map_err(|error| in_words(&error)),
                Err(_) => Err(RedisError::Late),
            }
        };
        let began = Instant::now();
        let is_away = |error: &RedisError| matches!(error, RedisError::Away | RedisError::Late);
        let answer = self.breaker.call_with(is_away, asked).await.map_err(|error| match error {
            recloser::Error::Inner(error) => error,
            recloser::Error::Rejected => RedisError::Open,
        });
        if !matches!(answer, Err(RedisError::Open | RedisError::Away)) {
            REDIS_CALL.observe(&[word], began.elapsed());
        }
        self.trouble.heard(word, answer.as_ref().err());
        answer
    }
}

fn in_words(error: &Error) -> RedisError {
    match error.kind() {
        ErrorKind::Timeout => RedisError::Late,
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Routing | ErrorKind::Backpressure => RedisError::Away,
        _ if error.details().starts_with("OOM") => RedisError::Full,
        _ => RedisError::Refused(error.details().to_owned()),
    }
}

/// So that the note is true though nobody asks Redis anything.
async fn probe(shared: Arc<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        // Its answer is in the note.
        shared.call("ping", async |pool| pool.ping::<()>(None).await).await.ok();
    }
}

impl From<&RedisError> for Fault {
    fn from(error: &RedisError) -> Self {
        match error {
            RedisError::Full => Self::Full,
            RedisError::Refused(words) => Self::Refuses(words.clone()),
            RedisError::Away | RedisError::Open | RedisError::Late => Self::Silent,
        }
    }
}
