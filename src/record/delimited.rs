//! Records of a delimited chunk, without copying what needs no unquoting.

use super::RecordFault;
use crate::chunk::{Chunk, Position};
use crate::feed::Delimited;

/// Walks the records of one chunk.
pub struct Reader<'c> {
    chunk: &'c Chunk,
}

/// One record, borrowed from the chunk (and from the reader's scratch where a cell had to be unquoted).
pub struct Record<'r> {
    pub at: Position,
    /// Source bytes, line end included: a sub-slice of the chunk's payload.
    pub raw: &'r [u8],
    cells: &'r [&'r [u8]],
}

impl<'r> Record<'r> {
    /// Cells, unquoted.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cell `column`, unquoted. Panics past [`Record::len`].
    pub fn cell(&self, column: usize) -> &'r [u8] {
        self.cells[column]
    }
}

impl<'c> Reader<'c> {
    pub fn new(layout: &Delimited, width: usize, chunk: &'c Chunk) -> Self {
        let _ = (layout, width);
        Self { chunk }
    }

    /// The next record, and what is wrong with it if its layout is; blank lines are passed over.
    pub fn next_record(&mut self) -> Option<(Record<'_>, Option<RecordFault>)> {
        let _ = self.chunk;
        todo!()
    }
}
