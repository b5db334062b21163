//! Finds record ends in a stream and cuts it into chunks.

use super::Chunk;
use crate::feed::Layout;

/// Changes whenever the same bytes, layout and limits could give other chunks. A job pins it.
pub const CUTTER_VERSION: i32 = 1;

/// Sizes that a job pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A chunk ends at the last record end within this many bytes; a single longer record is a chunk of its own.
    pub chunk_bytes: usize,
    /// A longer record is a reject.
    pub record_bytes: usize,
}

impl Limits {
    /// 1 MiB chunks, records of at most 3.5 MiB.
    pub const DEFAULT: Self = Self { chunk_bytes: 1 << 20, record_bytes: 7 << 19 };
}

/// What a whole file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutTotals {
    pub bytes: u64,
    pub records: u64,
    pub chunks: u32,
    /// 0 or 1.
    pub headers: u64,
    pub blanks: u64,
}

/// Takes a file's bytes in pieces of any size, gives its chunks.
pub struct Cutter {}

impl Cutter {
    pub fn new(layout: &Layout, limits: Limits) -> Self {
        let _ = (layout, limits);
        todo!()
    }

    /// Takes the next bytes of the file; calls `emit` for each chunk that is complete.
    pub fn push<E>(&mut self, bytes: &[u8], emit: impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        let _ = (bytes, emit);
        todo!()
    }

    /// The file has ended: emits what remains.
    pub fn finish<E>(self, emit: impl FnMut(Chunk) -> Result<(), E>) -> Result<CutTotals, E> {
        let _ = emit;
        todo!()
    }

    /// The raw header record, once it has been read whole; `None` before, and where the layout has none.
    pub fn header(&self) -> Option<&[u8]> {
        todo!()
    }
}
