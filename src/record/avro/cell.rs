//! A field's value as Avro has it, and its text where somebody asks for one.

use std::io::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;

/// Borrowed from the datum, or from the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'m> {
    /// Read as the field's type reads a text; it may be no UTF-8.
    Text(&'m [u8]),
    Integer(i64),
    /// An integer of any length, two's complement, big-endian, and how many of its digits stand after the point.
    Decimal {
        unscaled: &'m [u8],
        scale: usize,
    },
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z; those that 64 bits do not hold are the last that they do.
    Timestamp(i64),
    /// As [`Self::Timestamp`], by the clock of the field's time zone.
    LocalTimestamp(i64),
}

/// The integer that a decimal is without its point; `None`: it has more than 128 bits.
pub(crate) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let filler = if negative { 0xff } else { 0 };
    let spare = bytes.len().saturating_sub(16);
    let (sign, kept) = bytes.split_at(spare);
    let mut all = [filler; 16];
    all[16 - kept.len()..].copy_from_slice(kept);
    let value = i128::from_be_bytes(all);
    // What is left out must say no more than the sign does.
    (sign.iter().all(|byte| *byte == filler) && (spare == 0 || (value < 0) == negative)).then_some(value)
}

impl Cell<'_> {
    /// As reference sets and people have it: digits, `true`, `2026-11-25`, `2026-11-25T10:00:00.5Z`.
    pub fn write(&self, text: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let written = match *self {
            Self::Text(bytes) => text.write_all(bytes),
            Self::Integer(value) => write!(text, "{value}"),
            Self::Decimal { unscaled: bytes, scale } => match unscaled(bytes) {
                Some(value) => write_decimal(value, scale, text),
                None => write!(text, "a decimal of {} bytes", bytes.len()),
            },
            Self::Boolean(value) => write!(text, "{value}"),
            Self::Date(days) => match date(days) {
                Some(date) => write!(text, "{date}"),
                None => write!(text, "day {days}"),
            },
            Self::Timestamp(micros) => match Timestamp::from_microsecond(micros) {
                Ok(instant) => write!(text, "{instant}"),
                Err(_) => write!(text, "microsecond {micros}"),
            },
            Self::LocalTimestamp(micros) => match Timestamp::from_microsecond(micros) {
                Ok(instant) => write!(text, "{}", jiff::tz::Offset::UTC.to_datetime(instant)),
                Err(_) => write!(text, "microsecond {micros}"),
            },
        };
        debug_assert!(written.is_ok());
    }
}

fn date(days: i32) -> Option<Date> {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

fn write_decimal(value: i128, scale: usize, text: &mut Vec<u8>) -> std::io::Result<()> {
    if scale > MOST_PLACES {
        return write!(text, "{value}e-{scale}");
    }
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if fraction.is_empty() { "" } else { "." };
    write!(text, "{sign}{whole}{point}{fraction}")
}

/// Places after the point that are written out: a schema may state any number of them.
const MOST_PLACES: usize = 200;

/// The texts of some cells of a record, in memory that is used again.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// By field: where its text lies.
    spans: Vec<(usize, usize)>,
}

impl Texts {
    /// Forgets what it had, and writes the texts of those of `cells` that are asked for.
    pub fn write(&mut self, cells: &[Option<Cell<'_>>], asked: impl Iterator<Item = usize>) {
        self.bytes.clear();
        self.spans.clear();
        self.spans.resize(cells.len(), (0, 0));
        for field in asked {
            let start = self.bytes.len();
            match &cells[field] {
                None | Some(Cell::Text(_)) => continue,
                Some(cell) => cell.write(&mut self.bytes),
            }
            self.spans[field] = (start, self.bytes.len());
        }
    }

    /// The text of a field that was asked for.
    pub fn of<'t>(&'t self, cells: &[Option<Cell<'t>>], field: usize) -> &'t [u8] {
        match cells[field] {
            None => b"",
            Some(Cell::Text(text)) => text,
            Some(_) => {
                let (start, end) = self.spans[field];
                &self.bytes[start..end]
            }
        }
    }
}
