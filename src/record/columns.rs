//! Which cell of a record belongs to which field of the feed.

use crate::feed::Feed;

/// Fields bound to columns: by name where the layout has a header, else by order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Cells that every record must have.
    pub width: usize,
    /// For each field of the feed, its column.
    pub of_field: Vec<usize>,
    /// Columns of the header that the feed does not know: read, counted, not loaded.
    pub unknown: Vec<String>,
}

/// A header that does not fit the feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    #[error("the file has no header: it is empty")]
    Absent,
    #[error("the header has no column {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("the header names column {0} twice")]
    Twice(String),
    #[error("the header is not readable: {0}")]
    Unreadable(String),
}

impl Columns {
    /// `header` is the raw header record (a chunk's context), empty where the layout has none.
    pub fn bind(feed: &Feed, header: &[u8]) -> Result<Self, HeaderFault> {
        let _ = (feed, header);
        todo!()
    }
}
