//! A CSV file (RFC 4180; its first line names the columns) → the keys of a reference set in order, or every fault of it
//! with its line.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use sha2::{Digest as _, Sha256};

use super::key_set::{KeySet, KeySetBuilder, KeySetFault, LONGEST_KEY};
use super::{ReferenceSet, SEPARATOR};

/// Faults that are told of one file; the rest is counted.
const TOLD: usize = 20;

/// As Excel writes it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Keys in ascending order (byte by byte), each once.
#[derive(Debug, Default)]
pub struct SortedKeys {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    length: u16,
    /// Of the file, from 1.
    line: u32,
}

/// What a file holds.
#[derive(Debug)]
pub struct SetFile {
    /// The names of the columns that make a key, in its order.
    pub columns: Vec<String>,
    pub keys: SortedKeys,
}

/// What is wrong with a file, by line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SetFaults {
    /// The file's name as the user gave it.
    pub file: String,
    /// Lines from 1, and what is wrong there: the first [`TOLD`].
    pub faults: Vec<(u64, String)>,
    /// How many there are.
    pub count: u64,
}

impl fmt::Display for SetFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, message) in &self.faults {
            writeln!(f, "{}:{line}  {message}", self.file)?;
        }
        match self.count - self.faults.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "… {more} more"),
        }
    }
}

impl SetFaults {
    fn new(file: &str) -> Self {
        Self { file: file.to_owned(), faults: Vec::new(), count: 0 }
    }

    fn add(&mut self, line: u64, message: impl Into<String>) {
        self.count += 1;
        if self.faults.len() < TOLD {
            self.faults.push((line, message.into()));
        }
    }

    fn only(file: &str, line: u64, message: impl Into<String>) -> Self {
        let mut faults = Self::new(file);
        faults.add(line, message);
        faults
    }

    fn conclude<T>(mut self, value: T) -> Result<T, Self> {
        self.faults.sort_by_key(|(line, _)| *line);
        if self.count == 0 { Ok(value) } else { Err(self) }
    }
}

impl SetFile {
    /// Reads a whole file. Its key is made of `columns`, or of all its columns where that is empty.
    pub fn read(file: &str, source: impl Read, columns: &[String]) -> Result<Self, SetFaults> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
        let mut record = ByteRecord::new();
        let unreadable = |error: csv::Error| SetFaults::only(file, line_of(&error), told(&error));
        if !reader.read_byte_record(&mut record).map_err(unreadable)? {
            let message = "there is nothing here; expected a line of column names, then a line for each key";
            return Err(SetFaults::only(file, 1, message));
        }
        let names = header(file, &record)?;
        let chosen = choose(file, &names, columns)?;
        let mut reading = Reading { width: names.len(), chosen: &chosen, ..Reading::new(file) };
        while reader.read_byte_record(&mut record).map_err(unreadable)? {
            reading.take(&record);
        }
        let keys = reading.finish()?;
        Ok(Self { columns: chosen.iter().map(|column| names[*column].clone()).collect(), keys })
    }
}

fn line_of(error: &csv::Error) -> u64 {
    error.position().map_or(1, csv::Position::line)
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::Io(error) => format!("it cannot be read: {error}"),
        _ => error.to_string(),
    }
}

fn header(file: &str, record: &ByteRecord) -> Result<Vec<String>, SetFaults> {
    let mut faults = SetFaults::new(file);
    let mut lines: HashMap<&str, ()> = HashMap::new();
    let mut names = Vec::new();
    for (index, cell) in record.iter().enumerate() {
        let cell = if index == 0 { cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell) } else { cell };
        match std::str::from_utf8(cell) {
            Err(_) => faults.add(1, format!("the name of column {} is not UTF-8", index + 1)),
            Ok("") => faults.add(1, format!("column {} has no name", index + 1)),
            Ok(name) if name.chars().any(char::is_control) => {
                faults.add(1, format!("the name of column {} holds a control character", index + 1));
            }
            Ok(name) => {
                if lines.insert(name, ()).is_some() {
                    faults.add(1, format!("there are two columns `{name}`"));
                }
                names.push(name.to_owned());
            }
        }
    }
    faults.conclude(names)
}

/// The columns of the key, as indices.
fn choose(file: &str, names: &[String], columns: &[String]) -> Result<Vec<usize>, SetFaults> {
    if columns.is_empty() {
        return Ok((0..names.len()).collect());
    }
    let mut faults = SetFaults::new(file);
    let mut chosen = Vec::new();
    for column in columns {
        match names.iter().position(|name| name == column) {
            None => faults.add(1, format!("there is no column `{column}`; there are {}", names.join(", "))),
            Some(index) if chosen.contains(&index) => faults.add(1, format!("column `{column}` is asked for twice")),
            Some(index) => chosen.push(index),
        }
    }
    faults.conclude(chosen)
}

/// A file on its way.
struct Reading<'f> {
    width: usize,
    chosen: &'f [usize],
    keys: SortedKeys,
    key: Vec<u8>,
    faults: SetFaults,
}

impl Reading<'_> {
    fn new(file: &str) -> Self {
        let (keys, key, faults) = (SortedKeys::default(), Vec::new(), SetFaults::new(file));
        Self { width: 0, chosen: &[], keys, key, faults }
    }

    fn take(&mut self, record: &ByteRecord) {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != self.width {
            let cells = if record.len() == 1 { "cell" } else { "cells" };
            let message = format!("has {} {cells}; the first line names {} columns", record.len(), self.width);
            return self.faults.add(line, message);
        }
        self.key.clear();
        for (number, column) in self.chosen.iter().enumerate() {
            if number > 0 {
                self.key.push(SEPARATOR);
            }
            self.key.extend_from_slice(&record[*column]);
        }
        match refusal(&self.key, self.chosen.len()) {
            Some(message) => self.faults.add(line, message),
            None => {
                if !self.keys.push(&self.key, line) {
                    self.faults.add(line, "the file's keys are more than 4 GiB");
                }
            }
        }
    }

    fn finish(mut self) -> Result<SortedKeys, SetFaults> {
        if self.keys.spans.is_empty() && self.faults.count == 0 {
            self.faults.add(1, "there is no key here; expected a line for each key below the names of the columns");
        }
        for (key, line, first) in self.keys.sort() {
            let key = String::from_utf8_lossy(&key).replace(SEPARATOR as char, ", ");
            self.faults.add(line, format!("the key `{key}` stands in line {first} already"));
        }
        self.faults.conclude(self.keys)
    }
}

/// Why `key`, of so many columns, cannot be one.
fn refusal(key: &[u8], columns: usize) -> Option<String> {
    if key.len() < columns {
        return Some("the key is empty; a missing value is never looked up".to_owned());
    }
    if key.len() > LONGEST_KEY {
        return Some(format!("the key has {} bytes; {LONGEST_KEY} is the most. Is a quote left open?", key.len()));
    }
    let Ok(text) = std::str::from_utf8(key) else {
        return Some(format!("the key `{}` is not UTF-8", String::from_utf8_lossy(key)));
    };
    if text.contains('\0') {
        return Some("the key holds a NUL character (U+0000), which Postgres cannot store".to_owned());
    }
    let separators = key.iter().filter(|byte| **byte == SEPARATOR).count();
    (separators >= columns).then(|| "the key holds the character U+001F, which parts the columns of a key".to_owned())
}

impl SortedKeys {
    /// Adds the next key; keys come in ascending order, each once.
    pub fn add(&mut self, key: &[u8]) -> Result<(), KeySetFault> {
        if key.len() > LONGEST_KEY {
            return Err(KeySetFault::LongKey(key.len()));
        }
        if self.push(key, 0) { Ok(()) } else { Err(KeySetFault::TooMuch) }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| self.key(*span))
    }

    /// Both together, and how many keys of `other` were here already.
    pub fn union(&self, other: &Self) -> Result<(Self, usize), KeySetFault> {
        let mut both = Self::default();
        let (mut ours, mut theirs, mut common) = (self.iter().peekable(), other.iter().peekable(), 0);
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (None, None) => return Ok((both, common)),
                (Some(a), Some(b)) if a == b => {
                    common += 1;
                    theirs.next();
                    ours.next()
                }
                (Some(a), Some(b)) if a > b => theirs.next(),
                (Some(_), _) => ours.next(),
                (None, Some(_)) => theirs.next(),
            };
            both.add(next.unwrap_or_default())?;
        }
    }

    /// What makes a set of these columns and keys the same version: see [`SetHash`].
    pub fn sha256(&self, columns: &[String]) -> [u8; 32] {
        let mut hash = SetHash::new(columns);
        self.iter().for_each(|key| hash.add(key));
        hash.finish()
    }

    pub fn into_set(self, columns: Vec<String>) -> ReferenceSet {
        ReferenceSet { columns, keys: self.key_set() }
    }

    fn key_set(&self) -> KeySet {
        let mut builder = KeySetBuilder::with_room(self.len(), self.bytes.len());
        for key in self.iter() {
            builder.push(key).expect("keys were held to the limits of a set when they came");
        }
        builder.finish()
    }

    fn key(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        &self.bytes[start..start + usize::from(span.length)]
    }

    /// Whether there was room: whatever fits here fits a set.
    fn push(&mut self, key: &[u8], line: u64) -> bool {
        let room = KeySetBuilder::room(self.spans.len(), self.bytes.len(), key.len());
        let Some(start) = u32::try_from(self.bytes.len()).ok().filter(|_| room) else { return false };
        self.bytes.extend_from_slice(key);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.spans.push(Span { start, length: key.len() as u16, line });
        true
    }

    /// Brings the keys in order. Answers those that stand twice: the key, its line, and that of the first.
    fn sort(&mut self) -> Vec<(Vec<u8>, u64, u64)> {
        let bytes = &self.bytes;
        let key = |span: &Span| &bytes[span.start as usize..span.start as usize + usize::from(span.length)];
        self.spans.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.start.cmp(&b.start)));
        let (mut twice, mut first) = (Vec::new(), None::<Span>);
        for span in &self.spans {
            match first {
                Some(first) if key(&first) == key(span) => {
                    twice.push((key(span).to_vec(), u64::from(span.line), u64::from(first.line)));
                }
                _ => first = Some(*span),
            }
        }
        twice.sort_by_key(|(_, line, _)| *line);
        twice
    }
}

/// SHA-256 over the names of the columns and a line's end, then the keys in ascending order, each name and key followed
/// by a NUL, which none of them holds.
pub struct SetHash(Sha256);

impl SetHash {
    pub fn new(columns: &[String]) -> Self {
        let mut hash = Sha256::new();
        for column in columns {
            hash.update(column);
            hash.update([0]);
        }
        hash.update(b"\n");
        Self(hash)
    }

    pub fn add(&mut self, key: &[u8]) {
        self.0.update(key);
        self.0.update([0]);
    }

    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests;
