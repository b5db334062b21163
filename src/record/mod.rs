//! Turns a chunk, or a message of a record topic, into borrowed records with their positions.

pub mod avro;
mod columns;
mod delimited;
mod json;
mod marks;
mod members;
mod message;
mod stretch;
#[cfg(test)]
mod tests;

pub use columns::{Columns, HeaderFault};
pub use delimited::{Reader, Record};
pub use json::Cells;
pub use members::Members;
pub use message::{Content, Message, Messages};

/// Why a record could not be read as its layout says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// Another number of cells than the header (or the feed) has.
    FieldCount { expected: usize, found: usize },
    /// See [`crate::chunk::Ending::UnclosedQuote`].
    UnclosedQuote,
    /// See [`crate::chunk::Ending::Overlong`].
    Overlong { length: u64 },
}
