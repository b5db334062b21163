//! What people ask of reference sets.

use sqlx::{FromRow, PgConnection, PgPool};

use super::change::feeds_that_look_up;
use super::read::{each_key, header};
use super::{ReferenceError, no_set, no_version};

/// A set and its active version.
#[derive(Debug, Clone)]
pub struct SetSummary {
    pub name: String,
    pub version: SetVersion,
    pub retired: bool,
    /// When and by whom the active version was made that, or the set was retired.
    pub changed_at: jiff::Timestamp,
    pub changed_by: String,
}

/// One immutable version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVersion {
    pub version: i32,
    pub columns: Vec<String>,
    pub keys: u64,
    pub sha256: Vec<u8>,
    /// The version that was active when it was made.
    pub based_on: Option<i32>,
    pub message: Option<String>,
    pub applied_by: String,
    pub applied_at: jiff::Timestamp,
}

/// Everything that `references show` prints.
#[derive(Debug, Clone)]
pub struct SetDetail {
    pub version: SetVersion,
    pub active_version: i32,
    pub retired: bool,
    /// Whose active versions look the set up.
    pub feeds: Vec<String>,
}

#[derive(Debug, FromRow)]
struct VersionRow {
    version: i32,
    columns: Vec<String>,
    keys: i64,
    sha256: Vec<u8>,
    based_on: Option<i32>,
    message: Option<String>,
    applied_by: String,
    applied_at: i64,
}

const VERSION: &str = "v.version, v.columns, v.keys, v.sha256, v.based_on, v.message, v.applied_by,
                       (extract(epoch from v.applied_at) * 1000000)::bigint as applied_at";

impl VersionRow {
    fn into_version(self) -> Result<SetVersion, sqlx::Error> {
        Ok(SetVersion {
            version: self.version,
            columns: self.columns,
            keys: self.keys.unsigned_abs(),
            sha256: self.sha256,
            based_on: self.based_on,
            message: self.message,
            applied_by: self.applied_by,
            applied_at: time(self.applied_at)?,
        })
    }
}

fn time(micros: i64) -> Result<jiff::Timestamp, sqlx::Error> {
    jiff::Timestamp::from_microsecond(micros).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Every set, by name.
pub async fn list(pool: &PgPool) -> Result<Vec<SetSummary>, ReferenceError> {
    #[derive(FromRow)]
    struct Row {
        reference: String,
        retired: bool,
        changed_at: i64,
        changed_by: String,
        #[sqlx(flatten)]
        version: VersionRow,
    }
    // Built of constants, here and below.
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select r.reference, r.retired_at is not null as retired, r.changed_by,
                (extract(epoch from r.changed_at) * 1000000)::bigint as changed_at, {VERSION}
           from fabric.reference_sets r
           join fabric.reference_versions v on (v.reference, v.version) = (r.reference, r.active_version)
          order by r.reference"
    )))
    .fetch_all(pool)
    .await?;
    let summary = |row: Row| {
        let (changed_at, version) = (time(row.changed_at)?, row.version.into_version()?);
        Ok(SetSummary { name: row.reference, version, retired: row.retired, changed_at, changed_by: row.changed_by })
    };
    rows.into_iter().map(summary).collect()
}

/// Every version of a set, the newest first, and which is active; `None` where the set is retired.
pub async fn history(pool: &PgPool, name: &str) -> Result<(Vec<SetVersion>, Option<i32>), ReferenceError> {
    let mut connection = pool.acquire().await?;
    let (active, retired) = pointer(&mut connection, name).await?;
    let rows: Vec<VersionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {VERSION} from fabric.reference_versions v where v.reference = $1 order by v.version desc"
    )))
    .bind(name)
    .fetch_all(&mut *connection)
    .await?;
    let versions = rows.into_iter().map(VersionRow::into_version).collect::<Result<_, _>>()?;
    Ok((versions, (!retired).then_some(active)))
}

/// A version of a set: `version`, or the active one.
pub async fn show(pool: &PgPool, name: &str, version: Option<i32>) -> Result<SetDetail, ReferenceError> {
    let mut connection = pool.acquire().await?;
    let (active_version, retired) = pointer(&mut connection, name).await?;
    let wanted = version.unwrap_or(active_version);
    let row: Option<VersionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {VERSION} from fabric.reference_versions v where v.reference = $1 and v.version = $2"
    )))
    .bind(name)
    .bind(wanted)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Err(no_version(&mut connection, name, wanted).await?) };
    let feeds = feeds_that_look_up(&mut connection, name).await?;
    Ok(SetDetail { version: row.into_version()?, active_version, retired, feeds })
}

async fn pointer(connection: &mut PgConnection, name: &str) -> Result<(i32, bool), ReferenceError> {
    let pointer: Option<(i32, bool)> =
        sqlx::query_as("select active_version, retired_at is not null from fabric.reference_sets where reference = $1")
            .bind(name)
            .fetch_optional(&mut *connection)
            .await?;
    match pointer {
        Some(pointer) => Ok(pointer),
        None => Err(no_set(connection, name).await?),
    }
}

/// Calls `each` with every key of a version, ascending; of several columns the cells, with U+001F between them.
pub async fn keys_of(
    pool: &PgPool,
    name: &str,
    version: i32,
    mut each: impl FnMut(&[u8]),
) -> Result<(), ReferenceError> {
    let mut connection = pool.acquire().await?;
    let header = header(&mut connection, name, version).await?;
    each_key(&mut connection, (name, version), &header, |key| {
        each(key);
        Ok(())
    })
    .await
}

/// What stands between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub added: u64,
    pub removed: u64,
    /// The first of them, in the order of the keys.
    pub first: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added(String),
    Removed(String),
}

/// Keys that `to` has and `from` has not, and the other way round; `show` of them are named.
pub async fn difference(
    pool: &PgPool,
    name: &str,
    (from, to): (i32, i32),
    show: u32,
) -> Result<Difference, ReferenceError> {
    let mut connection = pool.acquire().await?;
    let old = header(&mut connection, name, from).await?;
    let new = header(&mut connection, name, to).await?;
    let rows: Vec<(String, bool, i64, i64)> = sqlx::query_as(
        "select key, added, count(*) filter (where added) over (), count(*) filter (where not added) over ()
           from (select coalesce(old.key, new.key) as key, old.key is null as added
                   from (select key from fabric.reference_keys where version_id = $1) old
                   full join (select key from fabric.reference_keys where version_id = $2) new using (key)
                  where old.key is null or new.key is null) changed
          order by key limit $3",
    )
    .bind(old.version_id)
    .bind(new.version_id)
    // At least one row tells the counts.
    .bind(i64::from(show.max(1)))
    .fetch_all(&mut *connection)
    .await?;
    let (added, removed) = rows.first().map_or((0, 0), |(_, _, added, removed)| (*added, *removed));
    let change =
        |(key, added, ..): (String, bool, i64, i64)| if added { Change::Added(key) } else { Change::Removed(key) };
    let first = rows.into_iter().take(show as usize).map(change).collect();
    Ok(Difference { added: added.unsigned_abs(), removed: removed.unsigned_abs(), first })
}
