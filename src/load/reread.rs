//! Finds records of a chunk again, by their numbers: the slow path rejects some that every rule accepted.

use std::collections::{BTreeMap, HashSet};

use super::JudgedChunk;
use crate::chunk::Position;
use crate::feed::Layout;
use crate::record::{Columns, Reader};

/// A record's place in its chunk, and its cells in the order of the feed's fields.
pub(super) struct Found {
    pub at: Position,
    pub start: usize,
    pub end: usize,
    pub cells: Vec<String>,
}

/// The records numbered `wanted`. Reading gives what judging read, so each is there.
pub(super) fn find(chunk: &JudgedChunk, wanted: &HashSet<u64>) -> Result<BTreeMap<u64, Found>, String> {
    let feed = &chunk.feed.feed;
    let Layout::Delimited(layout) = &feed.layout;
    let columns = Columns::bind(feed, &chunk.chunk.context).map_err(|fault| fault.to_string())?;
    let mut reader = Reader::new(layout, columns.width, &chunk.chunk);
    let payload = chunk.chunk.payload.as_ptr() as usize;
    let mut found = BTreeMap::new();
    while let Some((record, _)) = reader.next_record() {
        if !wanted.contains(&record.at.record) {
            continue;
        }
        let start = record.raw.as_ptr() as usize - payload;
        let cell = |&column: &usize| String::from_utf8_lossy(record.cell(column)).into_owned();
        let cells = columns.of_field.iter().map(cell).collect();
        found.insert(record.at.record, Found { at: record.at, start, end: start + record.raw.len(), cells });
    }
    Ok(found)
}
