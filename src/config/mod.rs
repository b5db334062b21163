//! What users edit: feeds, as immutable versions in Postgres.

mod change;
mod feeds;

pub use change::{Action, Kind, TOPIC as CONFIG_TOPIC};
pub use feeds::{Applied, ConfigError, FeedSummary, FeedVersion, active_feed, apply_feed, feed_version, list_feeds};
