//! A driver's error in the words of people: what happened, where, and what to do next.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

use crate::settings::PostgresSettings;

/// Says why Postgres did not do what was asked, with its address and the next step. Never holds the password. May try to
/// connect, for a second at most.
pub fn describe(error: &sqlx::Error, settings: &PostgresSettings) -> String {
    let urls = super::hosts::urls(&settings.url);
    let each: Vec<PgConnectOptions> = urls.iter().filter_map(|url| url.parse().ok()).collect();
    let place = each.iter().map(address).collect::<Vec<_>>().join(", ");
    match error {
        sqlx::Error::Configuration(reason) if each.is_empty() => {
            format!("FABRIC_POSTGRES_URL is no URL like postgres://USER:PASSWORD@HOST:PORT/DATABASE ({reason})")
        }
        sqlx::Error::Configuration(reason) => reason.to_string(),
        sqlx::Error::Io(io) => unanswered(&place, io),
        sqlx::Error::Tls(reason) => {
            format!(
                "Postgres at {place} and this process do not agree on TLS: {reason}. See sslmode in FABRIC_POSTGRES_URL."
            )
        }
        // The pool tries again by itself and does not say what it met.
        sqlx::Error::PoolTimedOut => match each.first().map(reach) {
            Some(Err(io)) => unanswered(&place, &io),
            _ => format!(
                "Postgres at {place} gave no connection within {} s: it does not answer, or all {} connections of this \
                 process are busy. Is it running? `dev/stack status`, or set FABRIC_POSTGRES_URL.",
                settings.acquire_timeout.as_secs(),
                settings.pool
            ),
        },
        sqlx::Error::Database(database) => {
            let answer = database.try_downcast_ref::<PgDatabaseError>();
            answer.map_or_else(|| database.to_string(), |answer| describe_answer(answer, &place, each.first()))
        }
        other => format!("Postgres at {place}: {other}"),
    }
}

/// Whether waiting may mend it: nobody answers, or a server that is starting, stopping or full.
pub fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 40 serialization or deadlock, 53 resources, 57P0x the server is going or coming.
        sqlx::Error::Database(answer) => answer.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("40") || code.starts_with("53") || code.starts_with("57P0")
        }),
        _ => false,
    }
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn unanswered(place: &str, error: &io::Error) -> String {
    let reason = io_reason(error);
    format!(
        "Postgres does not answer at {place} ({reason}). Is it running? `dev/stack status`, or set FABRIC_POSTGRES_URL."
    )
}

/// A plain connection. Through a socket file nothing is tried.
fn reach(options: &PgConnectOptions) -> io::Result<()> {
    if options.get_socket().is_some() || options.get_host().starts_with('/') {
        return Ok(());
    }
    let mut addresses = (options.get_host(), options.get_port()).to_socket_addrs()?;
    let Some(address) = addresses.next() else { return Ok(()) };
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).map(|_| ())
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection was lost".into()
        }
        _ => error.to_string(),
    }
}

/// SQLSTATEs: PostgreSQL documentation, appendix A.
fn describe_answer(answer: &PgDatabaseError, place: &str, options: Option<&PgConnectOptions>) -> String {
    let user = options.map_or("", PgConnectOptions::get_username);
    let database = options.and_then(PgConnectOptions::get_database).unwrap_or(user);
    let said = answer.message();
    match answer.code() {
        "28P01" => format!(
            "Postgres at {place} refuses the password of user {user}. Set the right one in FABRIC_POSTGRES_URL."
        ),
        "28000" => {
            format!("Postgres at {place} does not let user {user} in: {said}. Set another in FABRIC_POSTGRES_URL.")
        }
        "3D000" => format!(
            "Postgres at {place} has no database {database}. Create it (`createdb {database}`), or name another in FABRIC_POSTGRES_URL."
        ),
        "53300" => {
            format!("Postgres at {place} has no connection left: {said}. Raise max_connections or run fewer processes.")
        }
        "57P03" => format!("Postgres at {place} is not ready yet: {said}."),
        "25006" => {
            format!("Postgres at {place} is a standby: it takes no writes. Name the primary in FABRIC_POSTGRES_URL.")
        }
        code if is_about_fabrics_tables(code, said) => {
            format!("Postgres at {place} lacks fabric's tables in database {database}: {said}. Run `fabric migrate`.")
        }
        code => format!("Postgres at {place}: {said} (SQLSTATE {code})"),
    }
}

fn is_about_fabrics_tables(code: &str, said: &str) -> bool {
    match code {
        "3F000" => said.contains("\"fabric\""),
        "42P01" | "42883" | "42703" => said.contains("fabric."),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn at(url: &str) -> PostgresSettings {
        PostgresSettings { url: url.into(), ..Settings::default().postgres }
    }

    #[test]
    fn a_refused_connection_names_every_host_and_no_password() {
        let settings = at("postgres://sarah:hunter2@db1:5432,db2:6432/bank");
        let said = describe(&sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into()), &settings);
        assert!(said.contains("db1:5432, db2:6432 (connection refused)"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_pool_that_timed_out_says_what_a_connection_meets() {
        let said = describe(&sqlx::Error::PoolTimedOut, &at("postgres://sarah@127.0.0.1:1/bank"));
        assert!(said.starts_with("Postgres does not answer at 127.0.0.1:1 (connection refused)."), "{said}");
    }

    #[test]
    fn a_url_that_is_none_says_how_one_looks() {
        let settings = at("db1 5432 hunter2");
        let error = super::super::connect_options(&settings, "test").unwrap_err();
        let said = describe(&error, &settings);
        assert!(said.contains("postgres://USER:PASSWORD@HOST:PORT/DATABASE"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
