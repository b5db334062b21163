//! Postgres: whether it answers and writes, its version, and whether fabric's tables are as this release needs them.

use sqlx::{FromRow, PgConnection, PgPool};

use super::{Check, Finding};
use crate::postgres::{self, NotMigrated};
use crate::report::figures;
use crate::settings::PostgresSettings;

/// The oldest that fabric is tested against, as `server_version_num` has it.
const OLDEST: i32 = 150_000;

#[derive(Debug, Clone, FromRow)]
struct Server {
    number: i32,
    version: String,
    database: String,
    role: String,
    read_only: bool,
}

pub async fn look(connection: &mut PgConnection, place: &str) -> Result<Finding, sqlx::Error> {
    let server: Server = sqlx::query_as(
        "select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
                current_database()::text as database, session_user::text as role,
                pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool as read_only",
    )
    .fetch_one(connection)
    .await?;
    Ok(verdict(&server, place))
}

fn verdict(server: &Server, place: &str) -> Finding {
    // Debian's says more than a number.
    let version = server.version.split(' ').next().unwrap_or_default();
    let found = format!("{version} at {place}, database {}, role {}", server.database, server.role);
    if server.read_only {
        return Finding::fault(
            Check::Postgres,
            format!("{found}: takes no writes"),
            "name the primary in FABRIC_POSTGRES_URL (several hosts may stand there), or turn \
             default_transaction_read_only off",
        );
    }
    if server.number < OLDEST {
        return Finding::warn(
            Check::Postgres,
            found,
            format!("upgrade it: fabric is tested against {} and newer", OLDEST / 10_000),
        );
    }
    Finding::ok(Check::Postgres, found)
}

/// `HOST:PORT` of the URL's hosts; never the password.
pub fn place(settings: &PostgresSettings) -> String {
    match postgres::connect_options(settings, "fabric doctor") {
        Ok(options) => match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        },
        Err(_) => "an unreadable URL".to_owned(),
    }
}

pub async fn migrations(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    match postgres::check_migrated(pool).await {
        Ok(()) => Ok(Finding::ok(Check::Migrations, format!("all {} of this release", figures::count(all())))),
        Err(NotMigrated::Pending(missing)) => Ok(Finding::fault(
            Check::Migrations,
            format!("{missing} of {} of this release are missing", all()),
            "run `fabric migrate`",
        )),
        Err(NotMigrated::Postgres(error)) => Err(error),
    }
}

fn all() -> u64 {
    postgres::migrations() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_standby_is_a_fault_and_an_old_release_a_warning() {
        let server = Server {
            number: 150_018,
            version: "15.18 (Debian 15.18-0+deb12u1)".into(),
            database: "bank".into(),
            role: "app".into(),
            read_only: false,
        };
        assert_eq!(verdict(&server, "h:1").found, "15.18 at h:1, database bank, role app");
        assert_eq!(verdict(&Server { number: 130_004, ..server.clone() }, "h:1").status, Status::Warn);
        assert_eq!(verdict(&Server { read_only: true, ..server }, "h:1").status, Status::Fault);
    }
}
