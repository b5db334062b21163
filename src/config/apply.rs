//! A feed's definition → a version, and as a rule the active one.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::change::{Action, Kind, audit, set_active};
use super::error::ConfigError;
use super::versions::{self, NewVersion, Pointer};
use super::{activation, references, schemas, templates};
use crate::faults;
use crate::feed::{self, Approval, FeedName, Resolved};
use crate::load::{self, TargetChange};
use crate::settings::LoadSettings;

/// How an edit is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Edit<'e> {
    /// Why; kept with the version and in the audit log.
    pub message: Option<&'e str>,
    /// The version that its author had before them: refused where another is active by now.
    pub based_on: Option<i32>,
    pub target: TargetChange,
    pub stage: Stage,
}

/// How far an edit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// New jobs use it.
    #[default]
    Active,
    /// It is stored, to be looked at and activated later.
    Draft,
}

/// What applying a definition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    New {
        version: i32,
    },
    /// The same document is the same version.
    Unchanged {
        version: i32,
    },
    /// It is stored, and another version stays the active one.
    Waiting {
        version: i32,
        waits_for: WaitsFor,
    },
}

impl Applied {
    pub const fn version(self) -> i32 {
        match self {
            Self::New { version } | Self::Unchanged { version } | Self::Waiting { version, .. } => version,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Whoever activates it.
    Activation,
    /// Somebody other than its author, to activate it.
    Approval,
}

/// What became of an edit.
#[derive(Debug)]
pub struct Edited {
    pub name: String,
    pub applied: Applied,
    /// Statements that changed the target, with [`TargetChange::Migrate`].
    pub migrated: Vec<String>,
}

/// Checks the definition, makes or checks its target, stores it as a version and makes that the active one. Applying a
/// document of old makes its version the active one again.
pub async fn apply_feed(
    pool: &PgPool,
    source_name: &str,
    document: &str,
    load: &LoadSettings,
) -> Result<(FeedName, Applied), ConfigError> {
    let edited = edit_feed(pool, source_name, document, &Edit::default(), load).await?;
    Ok((FeedName::new(&edited.name).expect("the definition was checked"), edited.applied))
}

/// [`apply_feed`], with everything that can be said of an edit.
///
/// One transaction: a version never stands without its target, and edits come one after another.
pub async fn edit_feed(
    pool: &PgPool,
    source_name: &str,
    document: &str,
    edit: &Edit<'_>,
    load: &LoadSettings,
) -> Result<Edited, ConfigError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    versions::lock_edits(&mut transaction).await?;
    let resolved = feed::resolve(source_name, document, &templates::active(&mut transaction).await?)?;
    let edited = apply_resolved(&mut transaction, document, &resolved, edit, load).await?;
    faults::statement("config.commit.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("config.commit.acked").await?;
    Ok(edited)
}

/// Under the lock of edits.
pub(super) async fn apply_resolved(
    transaction: &mut PgConnection,
    document: &str,
    resolved: &Resolved,
    edit: &Edit<'_>,
    load: &LoadSettings,
) -> Result<Edited, ConfigError> {
    let name = resolved.feed.name.as_str();
    let pointer = versions::pointer(transaction, Kind::Feed, name).await?;
    let new = NewVersion {
        name,
        document,
        resolved: resolved.text.as_deref(),
        pins: serde_json::json!(resolved.pins),
        approval: resolved.feed.approval == Some(Approval::Required),
        stream_topic: resolved.feed.stream.as_ref().map(|stream| stream.topic.as_str()),
        based_on: pointer.as_ref().map(|pointer| pointer.active_version),
        message: edit.message,
    };
    let known = versions::known(transaction, Kind::Feed, &new).await?;
    let active = pointer.as_ref().filter(|pointer| !pointer.retired).map(|pointer| pointer.active_version);
    // A lost answer is asked for again, whatever it was based on.
    if known.is_none() || known != active {
        require_base(transaction, Kind::Feed, name, edit.based_on, pointer.as_ref()).await?;
    }
    let version = match known {
        Some(version) => version,
        None => {
            let version = versions::store(transaction, Kind::Feed, &new).await?;
            schemas::add_of_feed(transaction, &resolved.feed, version).await?;
            version
        }
    };
    let waits_for = match edit.stage {
        _ if active == Some(version) => None,
        Stage::Draft => Some(WaitsFor::Activation),
        Stage::Active if activation::awaits_approval(transaction, name, version).await? => Some(WaitsFor::Approval),
        Stage::Active => None,
    };
    if let Some(waits_for) = waits_for {
        if known.is_none() {
            let (kind, before) = (Kind::Feed.as_str(), new.based_on);
            audit(transaction, "draft", kind, name, before, Some(version), edit.message).await?;
        }
        let applied = Applied::Waiting { version, waits_for };
        return Ok(Edited { name: name.to_owned(), applied, migrated: Vec::new() });
    }
    references::require(transaction, &resolved.feed).await?;
    let migrated = load::prepare_target(transaction, &resolved.feed, load, edit.target).await?;
    let (applied, action) = match known {
        None => (Applied::New { version }, Action::Apply),
        Some(version) => (Applied::Unchanged { version }, Action::Activate),
    };
    set_active(transaction, Kind::Feed, name, version, action, edit.message).await?;
    Ok(Edited { name: name.to_owned(), applied, migrated })
}

/// Refuses an edit that is based on another version than the active one, with what changed since.
pub(super) async fn require_base(
    transaction: &mut PgConnection,
    kind: Kind,
    name: &str,
    based_on: Option<i32>,
    pointer: Option<&Pointer>,
) -> Result<(), ConfigError> {
    let Some(based_on) = based_on else { return Ok(()) };
    let name = name.to_owned();
    let Some(pointer) = pointer else { return Err(ConfigError::NothingToBaseOn { kind, name, based_on }) };
    let current = pointer.active_version;
    if current == based_on {
        return Ok(());
    }
    let Some(from) = versions::texts(transaction, kind, &name, based_on).await? else {
        return Err(versions::unknown_version(transaction, kind, &name, based_on).await?);
    };
    let to = versions::texts(transaction, kind, &name, current).await?;
    let to = to.expect("the active version is one of those that there are");
    let (from_name, to_name) = (format!("{name} v{based_on}"), format!("{name} v{current}"));
    let difference = versions::differing((&from_name, &from), (&to_name, &to)).unwrap_or_default();
    Err(ConfigError::Moved { kind, based_on, current, now: pointer.in_words(), difference, name })
}
