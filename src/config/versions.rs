//! Versions of what has documents (feeds, templates): stored, found, listed; and the pointer to the active one.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::change::Kind;
use super::difference::difference;
use super::error::ConfigError;

/// What is active of one thing.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Pointer {
    pub active_version: i32,
    pub changed_by: String,
    pub changed_at: i64,
    pub retired: bool,
}

impl Pointer {
    /// `v4 (alex, 2026-11-24T13:00:00Z)`
    pub(super) fn in_words(&self) -> String {
        let at = timestamp(self.changed_at).strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("v{} ({}, {at})", self.active_version, self.changed_by)
    }
}

/// One version, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    pub version: i32,
    pub state: VersionState,
    /// The version that was active when it was applied.
    pub based_on: Option<i32>,
    pub message: Option<String>,
    /// Templates that it extends, with their versions.
    pub pins: Vec<(String, i32)>,
    pub applied_by: String,
    pub applied_at: Timestamp,
    /// Who approved it, where it needed that.
    pub approved_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    Active,
    /// It is the one that was active when the thing was retired.
    Retired,
    /// It was active once.
    Earlier,
    /// It never was active.
    Waiting,
}

impl VersionState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Earlier => "earlier",
            Self::Waiting => "waiting",
        }
    }
}

/// A version about to be stored.
pub(super) struct NewVersion<'v> {
    pub name: &'v str,
    pub document: &'v str,
    /// Feeds: the document with its templates merged in, where it extends any.
    pub resolved: Option<&'v str>,
    pub pins: serde_json::Value,
    /// Feeds: somebody else has to activate it.
    pub approval: bool,
    /// Feeds: the topic of a stream.
    pub stream_topic: Option<&'v str>,
    pub based_on: Option<i32>,
    pub message: Option<&'v str>,
}

impl NewVersion<'_> {
    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.resolved.unwrap_or(self.document)).into()
    }
}

/// The table of a kind's versions, and the column that names the thing. References have no documents.
const fn table(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Template => ("fabric.template_versions", "template"),
        Kind::Feed | Kind::Reference => ("fabric.feed_versions", "feed"),
    }
}

pub(super) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).expect("a time of Postgres of this era is one of jiff")
}

/// Edits of feeds and templates come one after another: what one of them looked at stays as it is until it commits.
pub(super) async fn lock_edits(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('fabric config edit', 0))").execute(transaction).await?;
    Ok(())
}

pub(super) async fn pointer(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
) -> Result<Option<Pointer>, sqlx::Error> {
    sqlx::query_as(
        "select active_version, changed_by, (extract(epoch from changed_at) * 1000000)::bigint as changed_at, retired
           from fabric.config_current where kind = $1 and name = $2",
    )
    .bind(kind.as_str())
    .bind(name)
    .fetch_optional(connection)
    .await
}

/// As [`pointer`], or the error says which things there are.
pub(super) async fn require_pointer(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
) -> Result<Pointer, ConfigError> {
    match pointer(&mut *connection, kind, name).await? {
        Some(pointer) => Ok(pointer),
        None => Err(unknown(connection, kind, name).await?),
    }
}

/// The version that this document is already.
pub(super) async fn known(
    connection: &mut PgConnection,
    kind: Kind,
    new: &NewVersion<'_>,
) -> Result<Option<i32>, sqlx::Error> {
    let (table, column) = table(kind);
    let query = format!("select version from {table} where {column} = $1 and sha256 = $2");
    let sha256 = new.sha256();
    sqlx::query_scalar(AssertSqlSafe(query)).bind(new.name).bind(&sha256[..]).fetch_optional(connection).await
}

/// Stores the next version. The caller holds the lock of edits.
pub(super) async fn store(connection: &mut PgConnection, kind: Kind, new: &NewVersion<'_>) -> Result<i32, sqlx::Error> {
    let (table, column) = table(kind);
    // What only feeds have.
    let (columns, values) = match kind {
        Kind::Feed => (", resolved, pins, approval, stream_topic", ", $6, $7, $8, $9"),
        Kind::Template | Kind::Reference => ("", ""),
    };
    let query = format!(
        "insert into {table} ({column}, version, document, sha256, based_on, message{columns})
         select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5{values} from {table} where {column} = $1
         returning version"
    );
    let sha256 = new.sha256();
    let insert = sqlx::query_scalar(AssertSqlSafe(query))
        .bind(new.name)
        .bind(new.document)
        .bind(&sha256[..])
        .bind(new.based_on)
        .bind(new.message);
    let insert = match kind {
        Kind::Feed => insert.bind(new.resolved).bind(&new.pins).bind(new.approval).bind(new.stream_topic),
        Kind::Template | Kind::Reference => insert,
    };
    insert.fetch_one(connection).await
}

/// The document of one version, as it was applied.
pub(super) async fn document(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
) -> Result<Option<String>, sqlx::Error> {
    let (table, column) = table(kind);
    let query = format!("select document from {table} where {column} = $1 and version = $2");
    sqlx::query_scalar(AssertSqlSafe(query)).bind(name).bind(version).fetch_optional(connection).await
}

/// A version as its author wrote it, and as it is with its templates.
pub(super) struct Texts {
    pub document: String,
    pub resolved: Option<String>,
}

impl Texts {
    /// The whole definition, without a word of where its lines came from.
    pub(super) fn without_origins(&self) -> String {
        let Some(resolved) = &self.resolved else { return self.document.clone() };
        let lines = resolved.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once("  # ").map_or(line, |(text, _)| text).trim_end().to_owned() + "\n").collect()
    }
}

/// What differs between two versions, as a unified diff: in their documents, or else in what their templates gave.
pub(super) fn differing(from: (&str, &Texts), to: (&str, &Texts)) -> Option<String> {
    let (from_name, from) = from;
    let (to_name, to) = to;
    difference((from_name, &from.document), (to_name, &to.document))
        .or_else(|| difference((from_name, &from.without_origins()), (to_name, &to.without_origins())))
}

pub(super) async fn texts(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
) -> Result<Option<Texts>, sqlx::Error> {
    let (table, column) = table(kind);
    let resolved = if kind == Kind::Feed { "resolved" } else { "null::text" };
    let query = format!("select document, {resolved} from {table} where {column} = $1 and version = $2");
    let row: Option<(String, Option<String>)> =
        sqlx::query_as(AssertSqlSafe(query)).bind(name).bind(version).fetch_optional(connection).await?;
    Ok(row.map(|(document, resolved)| Texts { document, resolved }))
}

/// `name` has this version, or the error says which there are.
pub(super) async fn require(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
) -> Result<(), ConfigError> {
    match document(&mut *connection, kind, name, version).await? {
        Some(_) => Ok(()),
        None => Err(unknown_version(connection, kind, name, version).await?),
    }
}

pub(super) async fn unknown_version(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    version: i32,
) -> Result<ConfigError, sqlx::Error> {
    let (table, column) = table(kind);
    let query = format!("select max(version) from {table} where {column} = $1");
    let newest: Option<i32> = sqlx::query_scalar(AssertSqlSafe(query)).bind(name).fetch_one(&mut *connection).await?;
    Ok(match newest {
        Some(newest) => not_there(kind, format!("{name} v{version}"), format!("its newest version is {newest}")),
        None => unknown(connection, kind, name).await?,
    })
}

/// What to say to somebody who named a thing that is not there.
pub(super) async fn unknown(connection: &mut PgConnection, kind: Kind, name: &str) -> Result<ConfigError, sqlx::Error> {
    let (table, column) = table(kind);
    let query = format!("select distinct {column} from {table}");
    let mut known: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(connection).await?;
    Ok(not_there(kind, name.to_owned(), nearest(kind, name, &mut known)))
}

fn not_there(kind: Kind, name: String, hint: String) -> ConfigError {
    match kind {
        Kind::Template => ConfigError::NoTemplate { name, hint },
        Kind::Feed | Kind::Reference => ConfigError::NoFeed { name, hint },
    }
}

fn nearest(kind: Kind, name: &str, known: &mut Vec<String>) -> String {
    let likeness = |other: &String| strsim::jaro_winkler(name, other);
    known.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then_with(|| a.cmp(b)));
    known.truncate(5);
    match known.first() {
        None => format!("none has been applied yet: `fabric {kind}s apply FILE`"),
        // 0.8: a letter or two wrong, a word left out.
        Some(first) if likeness(first) >= 0.8 => format!("did you mean {first}?"),
        Some(_) => format!("{kind}s are {}", known.join(", ")),
    }
}

/// The version that was active before the active one, whatever was rolled back to meanwhile.
pub(super) async fn active_before(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
    active: i32,
) -> Result<i32, ConfigError> {
    let before: Option<i32> = sqlx::query_scalar(
        "select before from fabric.audit_log
          where kind = $1 and name = $2 and after = $3 and before <> after and action in ('apply', 'activate')
          order by audit_id desc limit 1",
    )
    .bind(kind.as_str())
    .bind(name)
    .bind(active)
    .fetch_optional(connection)
    .await?;
    before.ok_or_else(|| ConfigError::NothingBefore { kind, name: name.to_owned() })
}

/// Every version of a thing, newest first.
pub(super) async fn summaries(
    connection: &mut PgConnection,
    kind: Kind,
    name: &str,
) -> Result<Vec<VersionSummary>, ConfigError> {
    #[derive(FromRow)]
    struct Row {
        version: i32,
        based_on: Option<i32>,
        message: Option<String>,
        pins: serde_json::Value,
        applied_by: String,
        applied_at: i64,
        approved_by: Option<String>,
        was_active: bool,
    }
    let (table, column) = table(kind);
    let (pins, approved) = match kind {
        Kind::Feed => (
            "v.pins",
            "(select approved_by from fabric.feed_approvals a where (a.feed, a.version) = (v.feed, v.version))",
        ),
        Kind::Template | Kind::Reference => ("'{}'::jsonb", "null::text"),
    };
    let query = format!(
        "select v.version, v.based_on, v.message, {pins} as pins, v.applied_by,
                (extract(epoch from v.applied_at) * 1000000)::bigint as applied_at, {approved} as approved_by,
                exists (select from fabric.audit_log l where l.kind = $2 and l.name = $1 and l.after = v.version
                           and l.action in ('apply', 'activate', 'rollback')) as was_active
           from {table} v where v.{column} = $1 order by v.version desc"
    );
    let rows: Vec<Row> =
        sqlx::query_as(AssertSqlSafe(query)).bind(name).bind(kind.as_str()).fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Err(unknown(connection, kind, name).await?);
    }
    let pointer = pointer(connection, kind, name).await?;
    let state = |row: &Row| match &pointer {
        Some(pointer) if pointer.active_version == row.version && pointer.retired => VersionState::Retired,
        Some(pointer) if pointer.active_version == row.version => VersionState::Active,
        _ if row.was_active => VersionState::Earlier,
        _ => VersionState::Waiting,
    };
    let summary = |row: Row| VersionSummary {
        version: row.version,
        state: state(&row),
        based_on: row.based_on,
        message: row.message,
        pins: read_pins(&row.pins),
        applied_by: row.applied_by,
        applied_at: timestamp(row.applied_at),
        approved_by: row.approved_by,
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// `{"template": version}`, by name.
pub(super) fn read_pins(pins: &serde_json::Value) -> Vec<(String, i32)> {
    let version = |value: &serde_json::Value| value.as_i64().and_then(|version| i32::try_from(version).ok());
    let pairs = pins.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), version(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_feed_is_met_with_the_nearest() {
        let mut known = vec!["equities".to_owned(), "card-transactions".to_owned()];
        assert_eq!(nearest(Kind::Feed, "card-transaction", &mut known), "did you mean card-transactions?");
        assert_eq!(nearest(Kind::Feed, "zzz", &mut known), "feeds are card-transactions, equities");
        let none = "none has been applied yet: `fabric templates apply FILE`";
        assert_eq!(nearest(Kind::Template, "zzz", &mut vec![]), none);
    }
}
