//! What users edit: immutable versions in Postgres, an event for every change of what is active, and how each process
//! hears of it and holds what it needs.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `apply` `templates` `references` | an edit | an immutable version in Postgres |
//! | `activation` `versions` | a version that is to be active | checks, and who may |
//! | `change` | one that may be | pointer, revision, outbox row and audit row, in one transaction |
//! | `schemas` | Avro schemas, taught or of a feed's fields | rows that messages name by fingerprint |
//! | `event` | an outbox row | a message of the config topic, and back |
//! | `current` | — | what is active, as Postgres says |
//! | `follow` | the topic | `known`: what this process knows to be active |
//! | `cache` | a thing and a version | its document, its plan: of memory, else of Redis, else of Postgres |
//!
//! Events tell that something changed; Postgres says what is true.

mod activation;
mod apply;
mod cache;
mod change;
mod checksum;
mod current;
mod difference;
mod error;
mod event;
mod feeds;
mod follow;
mod known;
mod live;
mod log;
mod pinned;
pub mod references;
mod schemas;
mod templates;
mod versions;

pub use activation::{Activated, Change, Comparison, activate, compare, history, retire, roll_back};
pub use apply::{Applied, Edit, Edited, Stage, WaitsFor, apply_feed, edit_feed};
pub use cache::{Cache, Figures, KNOWN, Loaded, Pinned, Reads, Room, Runs};
pub use change::{Action, Kind, TOPIC as CONFIG_TOPIC};
pub(crate) use change::{audit, tell_again};
pub use checksum::Checksum;
pub use current::{Active, active, all_active, some_active};
pub use error::ConfigError;
pub use event::{ConfigEvent, EventError, SCHEMA as CONFIG_EVENT_SCHEMA, TOMBSTONE_HEADER, Thing};
pub use feeds::{FeedSummary, FeedVersion, active_feed, current_feed, feed_version, list_feeds};
pub use known::{Holding, Known, Way};
pub use live::{Live, LiveError, Prepares};
pub use log::{AuditEntry, AuditQuery, audit_log};
pub use pinned::{PinnedFeed, ReferencePins};
pub use schemas::{SchemaError, StoredSchema, Taught, list_schemas, stored_schema, teach_schema};
pub use templates::{
    Outcome, Propagate, TemplateEdited, TemplateSummary, Touched, active_templates, edit_template, list_templates,
    template,
};
pub use versions::{VersionState, VersionSummary};
