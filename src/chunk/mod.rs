//! Cuts a stream of bytes into chunks of whole records, and a chunk into a Kafka message and back.

mod cut;
mod envelope;
mod identity;
mod lane;
#[cfg(test)]
pub(crate) mod reference;
mod scan;
#[cfg(test)]
mod tests;
mod wire;

use bytes::Bytes;

pub use cut::{CUTTER_VERSION, CutTotals, Cutter, Limits, OVERLONG_KEPT};
pub use envelope::{Envelope, EnvelopeError, SCHEMA as ENVELOPE_SCHEMA};
pub use identity::{ChunkId, Delivery, JobId, Origin, Seq, Token, TokenHash};
pub use lane::Lane;

/// Where a record stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// From 1; header, blank lines and comments are no records.
    pub record: u64,
    /// From 1; the header is a line.
    pub line: u64,
    /// Offset from the start of the decompressed file, from 0.
    pub byte: u64,
}

/// A run of whole records of a file. The same bytes, layout and [`Limits`] always give the same chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub seq: Seq,
    /// Of the first byte of the payload; `record` is the number of its first record.
    pub start: Position,
    /// Bytes of the file that this chunk answers for: the payload, and what an overlong record lost. The next
    /// chunk starts at `start.byte + span`.
    pub span: u64,
    /// Records in the payload, the reject that `ending` tells of included.
    pub records: u32,
    /// Blank lines in the payload: nothing between two record ends. They are skipped, and counted.
    pub blanks: u32,
    pub ending: Ending,
    /// The raw header record, its line end included; empty where the layout has none.
    pub context: Vec<u8>,
    /// Source bytes, unchanged, line ends included. Shared with the message that they came in.
    pub payload: Bytes,
}

/// How the last record of a chunk ends. Anything but `Whole` is a reject that only the cutter can see, so it closes
/// its chunk with it, and whoever reads the chunk judges it the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// The last record opened a quote that did not close within [`Limits::record_bytes`] or before the file's end; it
    /// is the text up to the end of the line in which that quote opened. Reading goes on unquoted at the next line.
    UnclosedQuote,
    /// The last record is longer than [`Limits::record_bytes`]: `length` bytes in all, line end included, of which the
    /// payload keeps the first ones.
    Overlong {
        length: u64,
    },
}
