//! Which cell of a record belongs to which field of the feed.

use super::{Reader, RecordFault};
use crate::chunk::OVERLONG_KEPT;
use crate::feed::{Delimited, Feed};

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
    #[error("the records of this feed are JSON values, which have no columns")]
    NoText,
    #[error("the header is not readable: {0}")]
    Unreadable(String),
}

impl Columns {
    /// `header` is the raw header record (a chunk's context), empty where the layout has none.
    ///
    /// Names match exactly. A column that the feed does not know may stand twice, one that it knows may not.
    pub fn bind(feed: &Feed, header: &[u8]) -> Result<Self, HeaderFault> {
        let Some(layout) = feed.layout.delimited() else { return Err(HeaderFault::NoText) };
        if !layout.header {
            let width = feed.fields.len();
            return Ok(Self { width, of_field: (0..width).collect(), unknown: Vec::new() });
        }
        let names = names(layout, header)?;
        let mut missing = Vec::new();
        let mut of_field = Vec::with_capacity(feed.fields.len());
        for field in &feed.fields {
            let mut columns = (0..names.len()).filter(|&column| names[column] == field.name);
            match (columns.next(), columns.next()) {
                (Some(_), Some(_)) => return Err(HeaderFault::Twice(field.name.clone())),
                (Some(column), None) => of_field.push(column),
                (None, _) => missing.push(field.name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(HeaderFault::Missing(missing));
        }
        let width = names.len();
        let known = |name: &String| feed.fields.iter().any(|field| field.name == *name);
        let unknown = names.into_iter().filter(|name| !known(name)).collect();
        Ok(Self { width, of_field, unknown })
    }
}

/// The header's cells.
fn names(layout: &Delimited, header: &[u8]) -> Result<Vec<String>, HeaderFault> {
    let unreadable = |why: &str| HeaderFault::Unreadable(why.to_owned());
    if header.len() >= OVERLONG_KEPT && !header.ends_with(b"\n") {
        return Err(unreadable("its line is too long"));
    }
    let mut reader = Reader::over(layout, usize::MAX, header);
    let Some((record, fault)) = reader.next_record() else { return Err(HeaderFault::Absent) };
    if fault == Some(RecordFault::UnclosedQuote) {
        return Err(unreadable("it opens a quote that does not close"));
    }
    let name = |column| String::from_utf8(record.cell(column).to_vec()).map_err(|_| unreadable("it is not UTF-8"));
    (0..record.len()).map(name).collect()
}
