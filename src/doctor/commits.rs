//! Whether a commit that has answered is on disk.

use sqlx::{FromRow, PgConnection};

use super::{Check, Finding};

/// What a session gets that sets nothing itself, and where from.
#[derive(Debug, Clone, FromRow)]
struct Durability {
    synchronous_commit: String,
    /// `pg_settings.source`: PostgreSQL documentation, "pg_settings".
    source: String,
    fsync: String,
    role: String,
    database: String,
}

/// On a connection without fabric's own session settings.
pub async fn look(bare: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    let found: Durability = sqlx::query_as(
        "select setting as synchronous_commit, source, current_setting('fsync') as fsync,
                session_user::text as role, current_database()::text as database
           from pg_settings where name = 'synchronous_commit'",
    )
    .fetch_one(bare)
    .await?;
    Ok(verdict(&found))
}

fn verdict(found: &Durability) -> Finding {
    let Durability { synchronous_commit, source, fsync, role, database } = found;
    if synchronous_commit == "off" {
        let (place, next) = match source.as_str() {
            "user" => (format!("role {role}"), format!("alter role {role} reset synchronous_commit")),
            "database" => {
                (format!("database {database}"), format!("alter database {database} reset synchronous_commit"))
            }
            "database user" => (
                format!("role {role} in database {database}"),
                format!("alter role {role} in database {database} reset synchronous_commit"),
            ),
            "client" => ("FABRIC_POSTGRES_URL".into(), "take it out of the URL's options".into()),
            _ => ("the server".into(), "alter system reset synchronous_commit; select pg_reload_conf()".into()),
        };
        return Finding::fault(
            Check::Commits,
            format!(
                "synchronous_commit is off for {place}: a commit that was answered may be gone after a crash.\n\
                 fabric turns it on for its own sessions; a pooler between may not let that through"
            ),
            next,
        );
    }
    if fsync == "off" {
        return Finding::fault(
            Check::Commits,
            "fsync is off: a power cut may leave a database that cannot be read",
            "alter system reset fsync; select pg_reload_conf()",
        );
    }
    Finding::ok(Check::Commits, format!("on disk when they are answered (synchronous_commit {synchronous_commit})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn with(synchronous_commit: &str, source: &str, fsync: &str) -> Finding {
        verdict(&Durability {
            synchronous_commit: synchronous_commit.into(),
            source: source.into(),
            fsync: fsync.into(),
            role: "app".into(),
            database: "bank".into(),
        })
    }

    #[test]
    fn what_is_off_is_refused_with_the_statement_that_turns_it_on_where_it_was_turned_off() {
        assert_eq!(with("off", "user", "on").next.unwrap(), "alter role app reset synchronous_commit");
        assert_eq!(with("off", "database", "on").next.unwrap(), "alter database bank reset synchronous_commit");
        assert!(with("off", "configuration file", "on").next.unwrap().starts_with("alter system reset"));
        assert_eq!(with("on", "default", "off").status, Status::Fault);
    }

    #[test]
    fn stricter_than_on_is_as_good() {
        assert_eq!(with("remote_apply", "configuration file", "on").status, Status::Ok);
    }
}
