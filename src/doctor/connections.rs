//! Connections in use, and what fabric may still open, against what Postgres allows.

use sqlx::{FromRow, PgPool};

use super::{Check, Finding};
use crate::settings::Settings;

/// Opened for a moment beside the rest: an eviction, a summary of an index.
const SHORT_LIVED: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
struct Usage {
    max_connections: i64,
    /// That this role cannot have.
    reserved: i64,
    used: i64,
    /// Of all fabric's processes, this command left out.
    of_fabric: i64,
    /// Processes that stay up: each holds one connection as a steward or its candidate.
    roles: i64,
    /// Of the role or the database, -1 where there is none.
    tighter: i64,
}

pub async fn look(pool: &PgPool, settings: &Settings) -> Result<Finding, sqlx::Error> {
    let usage: Usage = sqlx::query_as(
        "select current_setting('max_connections')::bigint as max_connections,
                case when r.rolsuper then 0 else current_setting('superuser_reserved_connections')::bigint end
                  + coalesce(current_setting('reserved_connections', true)::bigint, 0) as reserved,
                a.used, a.of_fabric, a.roles,
                coalesce((select min(allowed) from (values (r.rolconnlimit::bigint), (d.datconnlimit::bigint))
                             as limits (allowed) where allowed >= 0), -1) as tighter
           from pg_roles r, pg_database d, (
                -- Columns of other roles' sessions are hidden, but for who they are.
                select count(*) as used,
                       count(*) filter (where application_name like 'fabric%' and application_name <> 'fabric doctor')
                         as of_fabric,
                       count(*) filter (where application_name like 'fabric steward %/%') as roles
                  from pg_stat_activity
                 where usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend') a
          where r.rolname = current_user and d.datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(verdict(usage, per_validator(settings)))
}

/// What one `fabric validate` may open at most: two per loader (its own, and one to look aside), pool, steward's seat.
fn per_validator(settings: &Settings) -> u64 {
    let validate = &settings.validate;
    2 * (validate.loaders + validate.high_loaders) as u64 + u64::from(settings.postgres.pool) + 1 + SHORT_LIVED
}

fn verdict(usage: Usage, per_validator: u64) -> Finding {
    let allowed = (usage.max_connections - usage.reserved).max(0).cast_unsigned();
    let allowed = if usage.tighter >= 0 { allowed.min(usage.tighter.cast_unsigned()) } else { allowed };
    let (used, of_fabric, roles) =
        (usage.used.cast_unsigned(), usage.of_fabric.cast_unsigned(), usage.roles.cast_unsigned());
    let may_open = (roles * per_validator).saturating_sub(of_fabric);
    let free = allowed.saturating_sub(used);
    let found = format!(
        "{used} of {allowed} in use; {}, each may open {per_validator}",
        match roles {
            0 => "no validator runs".to_owned(),
            1 => "1 process of fabric stays up".to_owned(),
            roles => format!("{roles} processes of fabric stay up"),
        }
    );
    if may_open > free {
        let wanted = usage.max_connections.cast_unsigned() + may_open - free;
        return Finding::warn(
            Check::Connections,
            format!("{found}: {may_open} more may be asked for, {free} are free"),
            format!("raise max_connections to {wanted} at least, or run fewer processes or loaders"),
        );
    }
    if free < per_validator {
        return Finding::warn(
            Check::Connections,
            format!("{found}: {free} are free, too few for one more validator"),
            "raise max_connections, or end what is idle (`select * from pg_stat_activity`)",
        );
    }
    Finding::ok(Check::Connections, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    const QUIET: Usage = Usage { max_connections: 100, reserved: 3, used: 6, of_fabric: 0, roles: 0, tighter: -1 };

    #[test]
    fn room_is_counted_after_what_is_reserved_and_within_the_tighter_limit() {
        assert!(verdict(QUIET, 10).found.starts_with("6 of 97 in use"));
        assert_eq!(verdict(Usage { tighter: 12, ..QUIET }, 10).status, Status::Warn);
    }

    #[test]
    fn processes_that_could_ask_for_more_than_is_free_are_told_before_they_do() {
        let busy = Usage { used: 40, of_fabric: 30, roles: 10, ..QUIET };
        let finding = verdict(busy, 10);
        assert_eq!(finding.status, Status::Warn);
        assert!(finding.found.contains("70 more may be asked for, 57 are free"), "{}", finding.found);
        assert!(finding.next.unwrap().contains("max_connections to 113"));
        assert_eq!(verdict(Usage { roles: 8, ..busy }, 10).status, Status::Ok);
    }
}
