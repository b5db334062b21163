//! Reference sets: immutable versions of keys in Postgres, one of each set active.

mod change;
mod held;
mod pins;
mod query;
mod read;
mod store;

use sqlx::PgConnection;

use crate::copy::NotKeys;
use crate::feed::{Faults, ReferenceName};
use crate::rules::{KeySetFault, PlanFault, SetFaults};

pub use change::{activate, retire, rollback};
pub use held::ReferenceSets;
pub(crate) use pins::{pin, require};
pub use query::{Change, Difference, SetDetail, SetSummary, SetVersion, difference, history, keys_of, list, show};
pub use store::{Stored, append, columns, load};

#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    #[error(
        "`{0}` cannot be a reference set's name; expected kebab-case: small letters, digits and `-`, a letter first, at \
         most 63 characters"
    )]
    Name(String),
    #[error("{}", .0.to_string().trim_end())]
    Faults(#[from] SetFaults),
    #[error("there is no reference set {name}; {hint}")]
    NoSet { name: String, hint: String },
    #[error("the reference set {name} has no version {version}; {hint}")]
    NoVersion { name: String, version: i32, hint: String },
    #[error(
        "the reference set {name} was retired by {by}; `fabric references activate {name} {version}` brings it back"
    )]
    Retired { name: String, by: String, version: i32 },
    #[error("the reference set {name} is looked up by {feeds}; apply versions of them that do not, then retire it")]
    InUse { name: String, feeds: String },
    #[error(
        "the key of {name} v{version} is {columns}, the file's is {found}; name its columns with --columns, or load the \
         set anew"
    )]
    OtherColumns { name: String, version: i32, columns: String, found: String },
    #[error("feed {feed}: {fault}")]
    MisfitsFeed { feed: String, fault: PlanFault },
    #[error("{0}")]
    Plan(#[from] PlanFault),
    #[error(
        "the keys of {name} v{version} in Postgres are not those that were loaded: their number or their hash is \
         another. Load the set again from its file, as a version of its own, or restore fabric.reference_keys"
    )]
    Damaged { name: String, version: i32 },
    #[error(transparent)]
    NotKeys(#[from] NotKeys),
    #[error("{0}")]
    TooLarge(#[from] KeySetFault),
    #[error(transparent)]
    Feed(#[from] Faults),
    #[error("{0}")]
    Postgres(#[from] sqlx::Error),
}

impl ReferenceError {
    /// Whether the person can put it right by asking otherwise.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Name(_)
                | Self::Faults(_)
                | Self::NoSet { .. }
                | Self::NoVersion { .. }
                | Self::Retired { .. }
                | Self::InUse { .. }
                | Self::OtherColumns { .. }
                | Self::MisfitsFeed { .. }
                | Self::Plan(_)
        )
    }
}

fn checked(name: &str) -> Result<ReferenceName, ReferenceError> {
    ReferenceName::new(name).ok_or_else(|| ReferenceError::Name(name.to_owned()))
}

/// Held until the transaction ends: writers of one set come one after another.
async fn lock(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("fabric reference {name}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// What is active of a set.
#[derive(Debug, sqlx::FromRow)]
struct Active {
    version: i32,
    columns: Vec<String>,
    retired: bool,
    changed_by: String,
}

/// `None`: there is no such set.
async fn active(connection: &mut PgConnection, name: &str) -> Result<Option<Active>, sqlx::Error> {
    sqlx::query_as(
        "select v.version, v.columns, r.retired_at is not null as retired, r.changed_by
           from fabric.reference_sets r
           join fabric.reference_versions v on (v.reference, v.version) = (r.reference, r.active_version)
          where r.reference = $1",
    )
    .bind(name)
    .fetch_optional(connection)
    .await
}

/// The error of a set that is not there.
async fn no_set(connection: &mut PgConnection, name: &str) -> Result<ReferenceError, sqlx::Error> {
    let known: Vec<String> = sqlx::query_scalar("select reference from fabric.reference_sets order by reference")
        .fetch_all(connection)
        .await?;
    let near = known.iter().map(|other| (strsim::jaro_winkler(name, other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        None => format!("none has been loaded yet: `fabric references load {name} FILE.csv`"),
        // 0.8: a letter or two wrong, a word left out.
        Some((likeness, near)) if likeness >= 0.8 => format!("did you mean {near}?"),
        Some(_) => format!("load it first: `fabric references load {name} FILE.csv`"),
    };
    Ok(ReferenceError::NoSet { name: name.to_owned(), hint })
}

/// The error of a version that is not there.
async fn no_version(connection: &mut PgConnection, name: &str, version: i32) -> Result<ReferenceError, sqlx::Error> {
    let newest: Option<i32> =
        sqlx::query_scalar("select max(version) from fabric.reference_versions where reference = $1")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
    match newest {
        None => no_set(connection, name).await,
        Some(newest) => {
            let hint = format!("its newest is {newest}");
            Ok(ReferenceError::NoVersion { name: name.to_owned(), version, hint })
        }
    }
}

/// A set's name and its columns, as people read them: `the column code`, `the columns country, code`.
fn told(columns: &[String]) -> String {
    match columns {
        [column] => format!("the column {column}"),
        columns => format!("the columns {}", columns.join(", ")),
    }
}
