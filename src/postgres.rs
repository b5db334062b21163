//! Builds the Postgres pool and single connections, and says in people's words why the server does not answer.

mod acquire;
mod describe;
mod hosts;
mod lock;
mod migrate;
mod nodelay;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use crate::settings::PostgresSettings;

pub use acquire::ServicePool;
pub use describe::{describe, is_passing};
pub use lock::{EVICT_AFTER, SharedLock};
pub use migrate::{NotMigrated, check_migrated, migrate, migrations};

/// A server that has not answered a connection attempt by then does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the pool of several hosts looks whether it still talks to the one that writes.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

/// Set on every connection, by the server for its end of the socket: a peer that has gone is noticed within about
/// 20 s, also while answers are unacknowledged (`tcp_user_timeout`, in ms); a commit that has answered is on disk.
const SESSION: [(&str, &str); 6] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "3"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
    ("default_transaction_isolation", "read committed"),
    ("synchronous_commit", "on"),
];

/// Options of every connection: application name, keepalives, timeouts. The message of an error never holds the URL's password.
/// Where the URL names several hosts, these are of the first; [`connect`] and [`pool`] find the one that writes.
pub fn connect_options(settings: &PostgresSettings, application_name: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let mut each = all_options(settings, application_name, &SESSION)?;
    Ok(each.swap_remove(0))
}

/// One set of options per host, in the order of the URL; at least one.
fn all_options(
    settings: &PostgresSettings,
    application_name: &str,
    session: &[(&str, &str)],
) -> Result<Vec<PgConnectOptions>, sqlx::Error> {
    hosts::urls(&settings.url)
        .iter()
        .map(|url| {
            let options: PgConnectOptions = url.parse()?;
            let options = options.application_name(application_name).options(session.iter().copied());
            Ok(options.log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(5)))
        })
        .collect()
}

/// A connection of its own, to the host that writes. Answers within 5 s per host of the URL.
pub async fn connect(settings: &PostgresSettings, application_name: &str) -> Result<PgConnection, sqlx::Error> {
    connect_with(settings, application_name, |options| options).await
}

/// As [`connect`], with options of the caller's added to each host's.
pub async fn connect_with(
    settings: &PostgresSettings,
    application_name: &str,
    adjust: impl Fn(PgConnectOptions) -> PgConnectOptions,
) -> Result<PgConnection, sqlx::Error> {
    let each = all_options(settings, application_name, &SESSION)?;
    to_writer(&each.into_iter().map(adjust).collect::<Vec<_>>()).await
}

/// As [`connect`], without the session settings of fabric's own: what the URL, the role and the server give.
pub async fn connect_bare(settings: &PostgresSettings, application_name: &str) -> Result<PgConnection, sqlx::Error> {
    to_writer(&all_options(settings, application_name, &[])?).await
}

async fn to_writer(each: &[PgConnectOptions]) -> Result<PgConnection, sqlx::Error> {
    if let [only] = each {
        return connect_within(only).await;
    }
    Ok(find_writer(each).await?.1)
}

/// A pool that connects when it is first used.
pub fn pool(settings: &PostgresSettings, application_name: &str) -> Result<PgPool, sqlx::Error> {
    let each = all_options(settings, application_name, &SESSION)?;
    let ports: Vec<u16> = each.iter().map(PgConnectOptions::get_port).collect();
    let pool = PgPoolOptions::new()
        .min_connections(0)
        .max_connections(settings.pool)
        .acquire_timeout(settings.acquire_timeout)
        .after_connect(move |_, _| {
            nodelay::set(&ports);
            Box::pin(std::future::ready(Ok(())))
        })
        .connect_lazy_with(each[0].clone());
    if each.len() > 1 {
        tokio::spawn(follow_writer(pool.clone(), each));
    }
    Ok(pool)
}

async fn connect_within(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(answer) => answer.inspect(|_| nodelay::set(&[options.get_port()])),
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        ))),
    }
}

/// The first host that is no standby, and its index; else the last error.
async fn find_writer(each: &[PgConnectOptions]) -> Result<(usize, PgConnection), sqlx::Error> {
    let mut last_error = None;
    for (index, options) in each.iter().enumerate() {
        let found = async {
            let mut connection = connect_within(options).await?;
            let standby: bool = sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection).await?;
            Ok((standby, connection))
        };
        match found.await {
            Ok((false, connection)) => return Ok((index, connection)),
            Ok((true, _)) => last_error = Some(standby_only()),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(standby_only))
}

fn standby_only() -> sqlx::Error {
    sqlx::Error::Configuration("every host of FABRIC_POSTGRES_URL that answers is a standby; none takes writes".into())
}

/// Points new connections of the pool at the host that writes, until the pool is closed.
async fn follow_writer(pool: PgPool, each: Vec<PgConnectOptions>) {
    let closed = pool.close_event();
    tokio::pin!(closed);
    loop {
        if let Ok((index, _)) = find_writer(&each).await {
            let writer = &each[index];
            let present = pool.connect_options();
            if (present.get_host(), present.get_port()) != (writer.get_host(), writer.get_port()) {
                tracing::warn!(host = writer.get_host(), port = writer.get_port(), "another Postgres host writes now");
                pool.set_connect_options(writer.clone());
            }
        }
        tokio::select! {
            () = &mut closed => return,
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
    }
}
