//! A change of what is active: pointer, revision, outbox row and audit row, in the transaction of the caller.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::event::Thing;
use crate::faults;

/// The topic that tells of changes, without the prefix of the installation.
pub const TOPIC: &str = "config";

/// What users edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Feed,
    Template,
    Reference,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Feed, Self::Template, Self::Reference];

    /// As it stands in Postgres, in keys of the topic and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Template => "template",
            Self::Reference => "reference",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Its table of pointers, and the column of that which names the thing.
    const fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Feed => ("fabric.feeds", "feed"),
            Self::Template => ("fabric.templates", "template"),
            Self::Reference => ("fabric.reference_sets", "reference"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is done to a thing, as the audit log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A new version, made active at once.
    Apply,
    /// A version that was there is made the active one.
    Activate,
    Rollback,
    Retire,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Activate => "activate",
            Self::Rollback => "rollback",
            Self::Retire => "retire",
        }
    }
}

/// Makes `version` the active one of a thing (or retires it, the version as it is), draws a revision, and adds the
/// outbox row and the audit row. Nothing where it is active already. Holds the row's lock until the transaction ends.
/// The caller has made sure that the version is there and may become active.
pub(crate) async fn set_active(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
    action: Action,
    message: Option<&str>,
) -> Result<(), sqlx::Error> {
    let (table, column) = kind.table();
    // Built of constants.
    let before: Option<(i32, bool)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select active_version, retired_at is not null from {table} where {column} = $1 for update"
    )))
    .bind(name)
    .fetch_optional(&mut *connection)
    .await?;
    let retires = action == Action::Retire;
    if before == Some((version, retires)) {
        return Ok(());
    }
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "insert into {table} as t ({column}, active_version, retired_at)
         values ($1, $2, case when $3 then clock_timestamp() end)
         on conflict ({column}) do update
            set active_version = excluded.active_version, retired_at = excluded.retired_at,
                revision = nextval('fabric.config_revisions'), changed_by = session_user,
                changed_at = clock_timestamp()"
    )))
    .bind(name)
    .bind(version)
    .bind(retires)
    .execute(&mut *connection)
    .await?;
    faults::statement("config.pointed", connection).await?;
    tell(connection, kind, name).await?;
    audit(connection, action.as_str(), kind.as_str(), name, before.map(|(version, _)| version), Some(version), message)
        .await
}

/// The outbox rows of what is active now; `$1` is the topic.
const TELL: &str = "insert into fabric.outbox (topic, key, payload)
     select $1, kind || '/' || name, jsonb_build_object(
            'kind', kind, 'name', name, 'version', active_version, 'revision', revision,
            'checksum', encode(checksum, 'hex'), 'retired', retired, 'by', changed_by,
            'at', (extract(epoch from changed_at) * 1000000)::bigint)
       from fabric.config_current";

/// Adds the outbox row of what is active now.
async fn tell(connection: &mut PgConnection, kind: Kind, name: &str) -> Result<(), sqlx::Error> {
    // Built of constants.
    sqlx::query(sqlx::AssertSqlSafe(format!("{TELL} where kind = $2 and name = $3")))
        .bind(TOPIC)
        .bind(kind.as_str())
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds outbox rows of what is active now of these things, but for those that wait for the steward already.
pub(crate) async fn tell_again(connection: &mut PgConnection, things: &[Thing]) -> Result<u64, sqlx::Error> {
    let kinds: Vec<&str> = things.iter().map(|thing| thing.kind.as_str()).collect();
    let names: Vec<&str> = things.iter().map(|thing| thing.name.as_str()).collect();
    let told = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{TELL}
          where (kind, name) in (select * from unnest($2::text[], $3::text[]))
            and not exists (select from fabric.outbox o where o.topic = $1 and o.key = kind || '/' || name)
          order by revision"
    )))
    .bind(TOPIC)
    .bind(kinds)
    .bind(names)
    .execute(connection)
    .await?;
    Ok(told.rows_affected())
}

/// Adds a row to the audit log. `before` and `after` are versions.
pub(crate) async fn audit(
    connection: &mut PgConnection,
    action: &str,
    kind: &str,
    name: &str,
    before: Option<i32>,
    after: Option<i32>,
    message: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into fabric.audit_log (action, kind, name, before, after, message) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(action)
    .bind(kind)
    .bind(name)
    .bind(before)
    .bind(after)
    .bind(message)
    .execute(connection)
    .await?;
    Ok(())
}
