//! Disk: what Postgres says that it takes, and what is free where this machine can see it.

use std::path::{Path, PathBuf};

use sqlx::{FromRow, PgPool};

use super::{Check, Finding};
use crate::report::figures;

/// Below this a load of a few files fills it.
const LITTLE: u64 = 5 << 30;
/// Below this the next chunk may fail.
const NEXT_TO_NOTHING: u64 = 512 << 20;

#[derive(Debug, Clone, FromRow)]
struct Sizes {
    database: i64,
    of_fabric: i64,
    /// Where the role may know it, and the server is on this machine.
    data_directory: Option<String>,
}

/// Bytes free under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Free {
    what: String,
    bytes: u64,
}

pub async fn look(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    let sizes: Sizes = sqlx::query_as(
        "select pg_database_size(current_database()) as database,
                coalesce((select sum(pg_total_relation_size(c.oid))::bigint
                            from pg_class c join pg_namespace n on n.oid = c.relnamespace
                           where n.nspname = 'fabric' and c.relkind = 'r'), 0) as of_fabric,
                (select setting from pg_settings
                  where name = 'data_directory'
                    and coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true))
                  as data_directory",
    )
    .fetch_one(pool)
    .await?;
    let data = sizes.data_directory.as_ref().map(PathBuf::from);
    let data = data.and_then(|path| free("Postgres' disk", &path));
    let here = free("this machine's", &std::env::temp_dir());
    Ok(verdict(&sizes, data, here))
}

fn free(what: &str, path: &Path) -> Option<Free> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    Some(Free { what: format!("{what} ({})", path.display()), bytes: found.blocks_available() * found.fragment_size() })
}

/// Free space on another machine cannot be asked for by SQL: that it is not known is said.
fn verdict(sizes: &Sizes, data: Option<Free>, here: Option<Free>) -> Finding {
    let size = |bytes: i64| figures::bytes(bytes.max(0).cast_unsigned());
    let mut found =
        format!("the database takes {}, fabric's own tables {}", size(sizes.database), size(sizes.of_fabric));
    let unseen = if data.is_none() { "Postgres' and Kafka's" } else { "Kafka's" };
    let seen: Vec<Free> = data.into_iter().chain(here).collect();
    for Free { what, bytes } in &seen {
        found.push_str(&format!("\n{} free on {what}", figures::bytes(*bytes)));
    }
    found.push_str(&format!("\n{unseen} free space cannot be seen from here: watch it there"));
    let next = "make room, or move what grows: `fabric jobs list` says what was loaded last";
    match seen.iter().map(|free| free.bytes).min() {
        Some(least) if least < NEXT_TO_NOTHING => Finding::fault(Check::Disk, found, next),
        Some(least) if least < LITTLE => Finding::warn(Check::Disk, found, next),
        _ => Finding::ok(Check::Disk, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn with(data: Option<u64>) -> Finding {
        let sizes = Sizes { database: 3 << 30, of_fabric: 1 << 20, data_directory: None };
        let free = |what: &str, bytes| Free { what: what.into(), bytes };
        verdict(
            &sizes,
            data.map(|bytes| free("Postgres' disk (/data)", bytes)),
            Some(free("this machine's (/tmp)", 9 << 30)),
        )
    }

    #[test]
    fn a_disk_that_cannot_be_seen_is_said_to_be_unseen() {
        let finding = with(None);
        assert_eq!(finding.status, Status::Ok);
        assert!(finding.found.contains("Postgres' and Kafka's free space cannot be seen"), "{}", finding.found);
    }

    #[test]
    fn a_disk_that_runs_full_is_told_before_it_is() {
        assert_eq!(with(Some(8 << 30)).status, Status::Ok);
        assert_eq!(with(Some(2 << 30)).status, Status::Warn);
        assert_eq!(with(Some(1 << 20)).status, Status::Fault);
    }
}
