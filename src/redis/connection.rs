//! Settings into connections to Redis, made again for as long as the process runs.

use std::sync::Arc;
use std::time::Duration;

use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike as _;
use fred::types::Builder;
use fred::types::config::{Config, ServerConfig};

use super::trouble::Fault;
use super::{RedisUrlError, Shared};
use crate::retry::Waits;
use crate::settings::RedisSettings;

/// A server that has not let us in by then does not answer.
const CONNECT: Duration = Duration::from_secs(2);
/// Calls that wait for one connection at most: more are refused at once.
const QUEUE: usize = 10_000;

pub(super) struct Connection {
    config: Config,
    place: String,
    connections: usize,
    timeout: Duration,
}

impl Connection {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisUrlError> {
        let config = Config::from_url(&settings.url).map_err(|error| RedisUrlError(error.kind().to_str().into()))?;
        let place = match &config.server {
            ServerConfig::Centralized { server } => server.to_string(),
            other => other.hosts().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        };
        Ok(Self { config, place, connections: settings.pool, timeout: settings.timeout })
    }

    /// `host:port`, without its password.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Connects, and again whenever the connection ends. Goes on until it is aborted.
    pub(super) async fn keep(self, shared: Arc<Shared>) {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            match self.connect(&shared).await {
                Ok(()) => waits.reset(),
                Err(error) => shared.trouble.is(fault_of(&error)),
            }
            shared.set_pool(None);
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    /// Returns once a connection that was made has ended.
    async fn connect(&self, shared: &Shared) -> Result<(), Error> {
        let mut builder = Builder::from_config(self.config.clone());
        builder
            .with_connection_config(|config| {
                config.connection_timeout = CONNECT;
                config.internal_command_timeout = CONNECT;
                // What was not answered is asked of Postgres, not of Redis again.
                config.max_command_attempts = 1;
                config.max_command_buffer_len = QUEUE;
                config.unresponsive.max_timeout = Some(CONNECT);
                config.unresponsive.interval = CONNECT / 4;
            })
            .with_performance_config(|config| config.default_command_timeout = self.timeout);
        let pool = builder.build_pool(self.connections)?;
        let late = |_| Error::new(ErrorKind::Timeout, "no answer");
        let task = tokio::time::timeout(CONNECT, pool.init()).await.map_err(late)??;
        shared.set_pool(Some(pool.clone()));
        let ended = task.await;
        // Those of its connections that are left end with it.
        pool.quit().await.ok();
        ended.unwrap_or(Ok(()))
    }
}

fn fault_of(error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::Auth => Fault::KeepsOut(error.details().to_owned()),
        ErrorKind::Tls => Fault::Tls(error.details().to_owned()),
        _ => Fault::Unreachable(error.details().to_owned()),
    }
}
