//! What users edit: feeds, as immutable versions in Postgres.

mod feeds;

pub use feeds::{Applied, ConfigError, FeedSummary, FeedVersion, active_feed, apply_feed, feed_version, list_feeds};
