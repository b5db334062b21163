//! What users edit, as immutable versions in Postgres: feeds, the templates that they extend, and reference sets.

mod activation;
mod apply;
mod change;
mod difference;
mod error;
mod feeds;
mod log;
mod pinned;
pub mod references;
mod templates;
mod versions;

pub use activation::{Activated, Change, Comparison, activate, compare, history, retire, roll_back};
pub use apply::{Applied, Edit, Edited, Stage, WaitsFor, apply_feed, edit_feed};
pub(crate) use change::audit;
pub use change::{Action, Kind, TOPIC as CONFIG_TOPIC};
pub use error::ConfigError;
pub use feeds::{FeedSummary, FeedVersion, active_feed, current_feed, feed_version, list_feeds};
pub use log::{AuditEntry, AuditQuery, audit_log};
pub use pinned::{PinnedFeed, ReferencePins};
pub use templates::{
    Outcome, Propagate, TemplateEdited, TemplateSummary, Touched, active_templates, edit_template, list_templates,
    template,
};
pub use versions::{VersionState, VersionSummary};
