//! What users edit: feeds and reference sets, as immutable versions in Postgres.

mod change;
mod feeds;
mod pinned;
pub mod references;

pub use change::{Action, Kind, TOPIC as CONFIG_TOPIC};
pub use feeds::{Applied, ConfigError, FeedSummary, FeedVersion, active_feed, apply_feed, feed_version, list_feeds};
pub use pinned::{PinnedFeed, ReferencePins};
