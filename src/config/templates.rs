//! Templates: parts of definitions that feeds extend; and what a new version of one does to those feeds.

use jiff::Timestamp;
use sqlx::{Connection as _, FromRow, PgConnection, PgPool};

use super::activation::Change;
use super::apply::{Applied, Edit, Edited, Stage, WaitsFor, apply_resolved, require_base};
use super::change::{Action, Kind, audit, set_active};
use super::error::ConfigError;
use super::feeds;
use super::versions::{self, NewVersion};
use crate::feed::{self, Faults, TemplateText, Templates};
use crate::settings::LoadSettings;

/// What becomes of feeds that extend a template which changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagate {
    /// They keep the version that they pin, until they are applied again.
    #[default]
    No,
    /// Each gets a new version, in the same transaction.
    Yes,
}

/// A feed that a template's change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub feed: String,
    /// Its active version.
    pub version: i32,
    /// The version of the template that it pins.
    pub pins: i32,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It would be another feed.
    WouldChange,
    /// It would not be a feed any more.
    WouldFail(Faults),
    /// It has a new version.
    Changed(Applied),
}

/// A template as it is listed.
#[derive(Debug, Clone)]
pub struct TemplateSummary {
    pub template: String,
    pub active_version: i32,
    pub newest_version: i32,
    pub retired: bool,
    /// Feeds whose active versions extend it.
    pub feeds: Vec<String>,
    pub applied_by: String,
    pub applied_at: Timestamp,
}

/// What became of an edit of a template.
#[derive(Debug)]
pub struct TemplateEdited {
    pub edited: Edited,
    pub touched: Vec<Touched>,
}

/// The active templates, by name.
pub(super) async fn active(connection: &mut PgConnection) -> Result<Templates, sqlx::Error> {
    let rows: Vec<(String, i32, String)> = sqlx::query_as(
        "select t.template, v.version, v.document
           from fabric.templates t
           join fabric.template_versions v on (v.template, v.version) = (t.template, t.active_version)
          where t.retired_at is null",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(name, version, text)| (name.clone(), stored(&name, version, text))).collect())
}

fn stored(name: &str, version: i32, text: String) -> TemplateText {
    TemplateText { source_name: format!("template {name} v{version}"), version, text }
}

/// The templates that a feed could extend now, by name.
pub async fn active_templates(pool: &PgPool) -> Result<Templates, ConfigError> {
    Ok(active(&mut *pool.acquire().await?).await?)
}

/// Checks a template, stores it as a version, and makes that the active one. Feeds that extend it keep the version that
/// they pin, or get new versions too, all in one transaction.
pub async fn edit_template(
    pool: &PgPool,
    source_name: &str,
    document: &str,
    edit: &Edit<'_>,
    propagate: Propagate,
    load: &LoadSettings,
) -> Result<TemplateEdited, ConfigError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    versions::lock_edits(&mut transaction).await?;
    let name = feed::check_template(source_name, document, &active(&mut transaction).await?)?;
    let applied = store(&mut transaction, &name, document, edit).await?;
    let propagate = if matches!(applied, Applied::Waiting { .. }) { Propagate::No } else { propagate };
    let change = Change { message: edit.message, propagate, ..Change::default() };
    let touched = touch(&mut transaction, &name, (applied.version(), document), &change, load).await?;
    transaction.commit().await?;
    Ok(TemplateEdited { edited: Edited { name, applied, migrated: Vec::new() }, touched })
}

async fn store(
    transaction: &mut PgConnection,
    name: &str,
    document: &str,
    edit: &Edit<'_>,
) -> Result<Applied, ConfigError> {
    let pointer = versions::pointer(transaction, Kind::Template, name).await?;
    let new = NewVersion {
        name,
        document,
        resolved: None,
        pins: serde_json::Value::Null,
        approval: false,
        stream_topic: None,
        based_on: pointer.as_ref().map(|pointer| pointer.active_version),
        message: edit.message,
    };
    let known = versions::known(transaction, Kind::Template, &new).await?;
    let active = pointer.as_ref().filter(|pointer| !pointer.retired).map(|pointer| pointer.active_version);
    if known.is_none() || known != active {
        require_base(transaction, Kind::Template, name, edit.based_on, pointer.as_ref()).await?;
    }
    let version = match known {
        Some(version) => version,
        None => versions::store(transaction, Kind::Template, &new).await?,
    };
    if edit.stage == Stage::Draft && active != Some(version) {
        if known.is_none() {
            let kind = Kind::Template.as_str();
            audit(transaction, "draft", kind, name, new.based_on, Some(version), edit.message).await?;
        }
        return Ok(Applied::Waiting { version, waits_for: WaitsFor::Activation });
    }
    let (applied, action) = match known {
        None => (Applied::New { version }, Action::Apply),
        Some(version) => (Applied::Unchanged { version }, Action::Activate),
    };
    set_active(transaction, Kind::Template, name, version, action, edit.message).await?;
    Ok(applied)
}

/// A stored version can still be extended: those that it extends itself may have changed since it was applied.
pub(super) async fn require_sound(transaction: &mut PgConnection, name: &str, version: i32) -> Result<(), ConfigError> {
    let document = versions::document(transaction, Kind::Template, name, version).await?.unwrap_or_default();
    let source_name = format!("template {name} v{version}");
    feed::check_template(&source_name, &document, &active(transaction).await?)?;
    Ok(())
}

/// An active feed that pins a template.
#[derive(FromRow)]
struct Extending {
    feed: String,
    version: i32,
    document: String,
    pins: serde_json::Value,
}

async fn extending(connection: &mut PgConnection, template: &str) -> Result<Vec<Extending>, sqlx::Error> {
    sqlx::query_as(
        "select v.feed, v.version, v.document, v.pins
           from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          where f.retired_at is null and v.pins ? $1
          order by v.feed",
    )
    .bind(template)
    .fetch_all(connection)
    .await
}

/// What this version of a template does to the feeds that extend it; with [`Propagate::Yes`] it is done.
pub(super) async fn touch(
    transaction: &mut PgConnection,
    name: &str,
    (version, document): (i32, &str),
    change: &Change<'_>,
    load: &LoadSettings,
) -> Result<Vec<Touched>, ConfigError> {
    let mut templates = active(transaction).await?;
    templates.insert(name.to_owned(), stored(name, version, document.to_owned()));
    let mut touched = Vec::new();
    for feed in extending(transaction, name).await? {
        let pins = versions::read_pins(&feed.pins).into_iter().find(|(pinned, _)| pinned == name).map(|(_, v)| v);
        let outcome = match feed::resolve(&format!("feed {}", feed.feed), &feed.document, &templates) {
            Err(faults) => Outcome::WouldFail(faults),
            Ok(resolved) => {
                let now = feeds::stored_version(transaction, &feed.feed, feed.version).await?.feed;
                if now == resolved.feed {
                    continue;
                }
                match change.propagate {
                    Propagate::No => Outcome::WouldChange,
                    Propagate::Yes => {
                        let why = change.message.map(|why| format!(": {why}")).unwrap_or_default();
                        let message = format!("template {name} v{version}{why}");
                        let edit = Edit { message: Some(&message), ..Edit::default() };
                        let edited = apply_resolved(transaction, &feed.document, &resolved, &edit, load).await?;
                        Outcome::Changed(edited.applied)
                    }
                }
            }
        };
        touched.push(Touched { feed: feed.feed, version: feed.version, pins: pins.unwrap_or_default(), outcome });
    }
    if change.propagate == Propagate::Yes {
        refuse_faults(name, &touched)?;
    }
    Ok(touched)
}

fn refuse_faults(name: &str, touched: &[Touched]) -> Result<(), ConfigError> {
    let faults: String = touched
        .iter()
        .filter_map(|feed| match &feed.outcome {
            Outcome::WouldFail(faults) => Some(faults.to_string()),
            Outcome::WouldChange | Outcome::Changed(_) => None,
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::Propagation { template: name.to_owned(), faults }) }
}

/// Refuses to retire what others extend.
pub(super) async fn require_unextended(connection: &mut PgConnection, name: &str) -> Result<(), ConfigError> {
    let mut by: Vec<String> =
        extending(connection, name).await?.into_iter().map(|feed| format!("feed {}", feed.feed)).collect();
    let others = active(connection).await?;
    let extends = |text: &str| feed::extended_by(text).iter().any(|parent| parent == name);
    by.extend(others.iter().filter(|(_, other)| extends(&other.text)).map(|(other, _)| format!("template {other}")));
    if by.is_empty() { Ok(()) } else { Err(ConfigError::Extended { name: name.to_owned(), by: by.join(", ") }) }
}

/// Every template, by name.
pub async fn list_templates(pool: &PgPool) -> Result<Vec<TemplateSummary>, ConfigError> {
    #[derive(FromRow)]
    struct Row {
        template: String,
        active_version: i32,
        newest_version: i32,
        retired: bool,
        feeds: Vec<String>,
        applied_by: String,
        applied_at: i64,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select t.template, t.active_version, t.retired_at is not null as retired, v.applied_by,
                (select max(n.version) from fabric.template_versions n where n.template = t.template) as newest_version,
                (extract(epoch from v.applied_at) * 1000000)::bigint as applied_at,
                array(select f.feed from fabric.feeds f
                        join fabric.feed_versions fv on (fv.feed, fv.version) = (f.feed, f.active_version)
                       where f.retired_at is null and fv.pins ? t.template order by f.feed) as feeds
           from fabric.templates t
           join fabric.template_versions v on (v.template, v.version) = (t.template, t.active_version)
          order by t.template",
    )
    .fetch_all(pool)
    .await?;
    let summary = |row: Row| TemplateSummary {
        template: row.template,
        active_version: row.active_version,
        newest_version: row.newest_version,
        retired: row.retired,
        feeds: row.feeds,
        applied_by: row.applied_by,
        applied_at: versions::timestamp(row.applied_at),
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// A template as it was applied: this version of it, or the active one. With its version.
pub async fn template(pool: &PgPool, name: &str, version: Option<i32>) -> Result<(i32, String), ConfigError> {
    let mut connection = pool.acquire().await?;
    let version = match version {
        Some(version) => version,
        None => versions::require_pointer(&mut connection, Kind::Template, name).await?.active_version,
    };
    match versions::document(&mut connection, Kind::Template, name, version).await? {
        Some(document) => Ok((version, document)),
        None => Err(versions::unknown_version(&mut connection, Kind::Template, name, version).await?),
    }
}
