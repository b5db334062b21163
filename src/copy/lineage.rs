//! The columns of a target that say which record a row was.

use crate::feed::Feed;

/// Where a feed's records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Files,
    /// A record topic.
    Stream,
}

impl Source {
    pub const fn of(feed: &Feed) -> Self {
        if feed.stream.is_some() { Self::Stream } else { Self::Files }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageColumn {
    pub name: &'static str,
    /// In SQL.
    pub kind: &'static str,
    /// The same in `pg_type`.
    pub base_type: &'static str,
}

const fn bigint(name: &'static str) -> LineageColumn {
    LineageColumn { name, kind: "bigint", base_type: "int8" }
}

const fn integer(name: &'static str) -> LineageColumn {
    LineageColumn { name, kind: "integer", base_type: "int4" }
}

const FILES: &[LineageColumn] = &[bigint("_job_id"), bigint("_record_no")];

const STREAM: &[LineageColumn] = &[
    LineageColumn { name: "_topic", kind: "text", base_type: "text" },
    integer("_partition"),
    integer("_feed_version"),
    bigint("_offset"),
];

/// The columns of a feed's target, in the order in which [`super::RowEncoder`] writes them. The last numbers the records of
/// what is loaded together.
pub const fn lineage(feed: &Feed) -> &'static [LineageColumn] {
    match Source::of(feed) {
        Source::Files => FILES,
        Source::Stream => STREAM,
    }
}

/// The last of [`lineage`].
pub const fn record_number(feed: &Feed) -> &'static str {
    match Source::of(feed) {
        Source::Files => "_record_no",
        Source::Stream => "_offset",
    }
}
