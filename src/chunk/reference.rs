//! What a file's records are, by the plainest reading of the rules, a byte at a time over the whole file: tests hold
//! the cutter and the reader against it.

use proptest::prelude::*;

use super::{Limits, OVERLONG_KEPT, Position};
use crate::feed::Delimited;
use crate::record::RecordFault;

/// A record as the whole file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub at: Position,
    /// What the payload keeps of it.
    pub raw: Vec<u8>,
    pub fault: Option<RecordFault>,
    /// Unquoted.
    pub cells: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct File {
    pub header: Option<Vec<u8>>,
    /// Where the first byte after the header stands.
    pub body: usize,
    pub blanks: u64,
    pub records: Vec<Expected>,
}

/// Reads a whole file.
pub(crate) fn read(layout: &Delimited, limits: Limits, file: &[u8]) -> File {
    let mut read = File::default();
    let mut start = if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (mut record, mut line) = (1, 1);
    read.body = start;
    while start < file.len() {
        let blank = if file[start] == b'\n' { 1 } else { 2 * usize::from(file[start..].starts_with(b"\r\n")) };
        if blank > 0 {
            read.blanks += 1;
            line += 1;
            start += blank;
            continue;
        }
        let (end, fault) = record_end(layout, limits, file, start);
        let mut raw = &file[start..end];
        if let Some(RecordFault::Overlong { .. }) = fault {
            raw = &raw[..raw.len().min(OVERLONG_KEPT).min(limits.record_bytes)];
        }
        if layout.header && read.header.is_none() {
            read.header = Some(raw.to_vec());
            read.body = end;
        } else {
            let cells = if fault.is_some() { Vec::new() } else { cells(layout, raw) };
            let at = Position { record, line, byte: start as u64 };
            read.records.push(Expected { at, raw: raw.to_vec(), fault, cells });
            record += 1;
        }
        line += file[start..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
        start = end;
    }
    read
}

fn line_end(file: &[u8], from: usize) -> usize {
    file[from..].iter().position(|&byte| byte == b'\n').map_or(file.len(), |found| from + found + 1)
}

fn record_end(layout: &Delimited, limits: Limits, file: &[u8], start: usize) -> (usize, Option<RecordFault>) {
    let mut open = None;
    let mut at = start;
    while at < file.len() && at < start + limits.record_bytes {
        let byte = file[at];
        if open.is_none() {
            let cell_start = at == start || file[at - 1] == layout.delimiter;
            if byte == b'\n' {
                return (at + 1, None);
            } else if Some(byte) == layout.quote && cell_start {
                open = Some(at);
            }
        } else if Some(byte) == layout.quote {
            if file.get(at + 1) == Some(&byte) {
                at += 1;
            } else {
                open = None;
            }
        }
        at += 1;
    }
    if let Some(open) = open {
        let end = line_end(file, open);
        if end - start <= limits.record_bytes {
            return (end, Some(RecordFault::UnclosedQuote));
        }
    } else if at >= file.len() && file.len() - start <= limits.record_bytes {
        return (file.len(), None);
    }
    let end = line_end(file, start + limits.record_bytes);
    (end, Some(RecordFault::Overlong { length: (end - start) as u64 }))
}

fn cells(layout: &Delimited, record: &[u8]) -> Vec<Vec<u8>> {
    let text = record.strip_suffix(b"\r\n").or(record.strip_suffix(b"\n")).unwrap_or(record);
    let mut cells = vec![Vec::new()];
    let mut quoted = false;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let cell = cells.last_mut().unwrap();
        let cell_start = at == 0 || text[at - 1] == layout.delimiter;
        if quoted {
            if Some(byte) != layout.quote {
                cell.push(byte);
            } else if text.get(at + 1) == Some(&byte) {
                cell.push(byte);
                at += 1;
            } else {
                quoted = false;
            }
        } else if byte == layout.delimiter {
            cells.push(Vec::new());
        } else if Some(byte) == layout.quote && cell_start {
            quoted = true;
        } else {
            cell.push(byte);
        }
        at += 1;
    }
    cells
}

/// Files made of what matters to a reader: quotes, line ends, delimiters, blanks, NULs, and some text.
pub(crate) fn files() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(&b"ab"[..]),
        6 => Just(&b"\n"[..]),
        5 => Just(&b","[..]),
        4 => Just(&b"\""[..]),
        2 => Just(&b"\r\n"[..]),
        2 => Just(&b",\"x\",\"y\ny\","[..]),
        1 => Just(&b"\n\n"[..]),
        1 => Just(&b"\"\""[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\0\xff"[..]),
        1 => Just(&b"long text without any special byte"[..]),
        1 => Just(&b"\xef\xbb\xbf"[..]),
    ];
    proptest::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

pub(crate) fn layouts() -> impl Strategy<Value = Delimited> {
    (any::<bool>(), proptest::option::weighted(0.8, Just(b'"'))).prop_map(|(header, quote)| Delimited {
        delimiter: b',',
        quote,
        header,
        missing_values: vec![String::new()],
    })
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    (2usize..80, 2usize..120).prop_map(|(chunk_bytes, record_bytes)| Limits { chunk_bytes, record_bytes })
}
