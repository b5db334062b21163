//! Turns values, rejects and keys of reference sets into rows in the binary format of COPY.
//!
//! The format (PostgreSQL documentation, "COPY", section "Binary Format"): a signature of 11 bytes, 4 bytes of flags
//! and 4 of the header extension's length, all zero here; for each row a 16-bit count of its columns and for each
//! column a 32-bit length (-1 is NULL) and the bytes that the type's receive function takes; a count of -1 at the end.
//! Everything is big-endian.

mod keys;
mod lineage;
mod numeric;
mod reject;
mod row;

pub use keys::{KEY_COLUMNS, KeyDecoder, KeyEncoder, NotKeys};
pub use lineage::{LineageColumn, Source, lineage, record_number};
pub use reject::{KeepSource, REJECT_COLUMNS, RejectEncoder, STREAM_REJECT_COLUMNS, StreamRejectEncoder};
pub use row::RowEncoder;

use crate::feed::{Feed, FieldType};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags, length of the extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// The count of -1.
const TRAILER_BYTES: usize = 2;

/// A length of -1.
const NULL: [u8; 4] = (-1i32).to_be_bytes();

/// The columns of a feed's target in the order of [`RowEncoder::row`].
pub fn copy_columns(feed: &Feed) -> Vec<&str> {
    let fields = feed.fields.iter().map(|field| field.name.as_str());
    lineage(feed).iter().map(|column| column.name).chain(fields).collect()
}

/// The column type that [`RowEncoder`] writes for a field's type.
pub fn postgres_type(kind: &FieldType) -> String {
    match kind {
        FieldType::String => "text".to_owned(),
        FieldType::Integer => "bigint".to_owned(),
        FieldType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        FieldType::Boolean { .. } => "boolean".to_owned(),
        FieldType::Date { .. } => "date".to_owned(),
        FieldType::Timestamp { .. } => "timestamptz".to_owned(),
    }
}

/// Several whole COPYs of the same columns as the pieces of one, nothing copied.
pub fn joined<'c>(copies: &'c [&'c [u8]]) -> impl Iterator<Item = &'c [u8]> {
    let last = copies.len().saturating_sub(1);
    copies.iter().enumerate().map(move |(number, copy)| {
        let start = if number == 0 { 0 } else { HEADER_BYTES };
        let end = if number == last { copy.len() } else { copy.len() - TRAILER_BYTES };
        &copy[start..end]
    })
}

fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(SIGNATURE);
    buffer.extend_from_slice(&[0; 8]);
}

fn finish(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&(-1i16).to_be_bytes());
}

fn bytes(buffer: &mut Vec<u8>, value: &[u8]) {
    buffer.extend_from_slice(&length(value.len()));
    buffer.extend_from_slice(value);
}

fn length(length: usize) -> [u8; 4] {
    i32::try_from(length).expect("a value comes from one chunk, a few MiB").to_be_bytes()
}

/// A bigint, date, … with its length before it. `N` is 4 more than the value's size.
fn fixed<const N: usize>(buffer: &mut Vec<u8>, value: &[u8]) {
    let mut column = [0; N];
    column[..4].copy_from_slice(&((N - 4) as i32).to_be_bytes());
    column[4..].copy_from_slice(value);
    buffer.extend_from_slice(&column);
}

fn bigint(buffer: &mut Vec<u8>, value: i64) {
    fixed::<12>(buffer, &value.to_be_bytes());
}

#[cfg(test)]
mod tests;
