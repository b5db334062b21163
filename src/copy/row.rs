//! Accepted records as rows of their target.

use super::{NULL, bigint, bytes, fixed, numeric};
use crate::chunk::JobId;
use crate::feed::{Feed, FieldType};
use crate::rules::Value;

/// Days from 1970-01-01 to 2000-01-01, from which Postgres counts dates and timestamps.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;
const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * 86_400_000_000;

/// Encodes accepted records: `_job_id`, `_record_no`, then the feed's fields in their order.
pub struct RowEncoder {
    /// What each row begins with: the count of columns, `_job_id`, and the length of `_record_no`.
    head: [u8; HEAD],
    /// Of each field; 0 where it is no decimal.
    scales: Vec<u8>,
}

const HEAD: usize = 2 + 12 + 4;

impl RowEncoder {
    /// `feed` has at most 1,598 fields: Postgres holds 1,600 columns.
    pub fn new(feed: &Feed, job: JobId) -> Self {
        let columns = i16::try_from(feed.fields.len() + 2).expect("Postgres holds no more than 1,600 columns");
        let mut head = [0; HEAD];
        head[..2].copy_from_slice(&columns.to_be_bytes());
        head[2..6].copy_from_slice(&8i32.to_be_bytes());
        head[6..14].copy_from_slice(&job.0.to_be_bytes());
        head[14..].copy_from_slice(&8i32.to_be_bytes());
        let scales = feed.fields.iter().map(|field| match field.kind {
            FieldType::Decimal { scale, .. } => scale,
            _ => 0,
        });
        Self { head, scales: scales.collect() }
    }

    /// Clears `buffer` and writes the COPY header.
    pub fn begin(&self, buffer: &mut Vec<u8>) {
        super::begin(buffer);
    }

    /// Appends one row. `values` are those of [`crate::rules::Plan::judge`]: one per field, in the feed's order.
    pub fn row(&self, buffer: &mut Vec<u8>, record_no: u64, values: &[Value<'_>]) {
        debug_assert_eq!(values.len(), self.scales.len());
        buffer.extend_from_slice(&self.head);
        buffer.extend_from_slice(&record_no.to_be_bytes());
        for (value, scale) in values.iter().zip(&self.scales) {
            match value {
                Value::Missing => buffer.extend_from_slice(&NULL),
                Value::Text(text) => bytes(buffer, text.as_bytes()),
                Value::Integer(value) => bigint(buffer, *value),
                Value::Decimal(unscaled) => numeric::encode(buffer, *unscaled, *scale),
                Value::Boolean(value) => fixed::<5>(buffer, &[u8::from(*value)]),
                Value::Date(days) => fixed::<8>(buffer, &(days - POSTGRES_EPOCH_DAYS).to_be_bytes()),
                Value::Timestamp(micros) => bigint(buffer, micros - POSTGRES_EPOCH_MICROS),
            }
        }
    }

    /// Writes the COPY trailer.
    pub fn finish(&self, buffer: &mut Vec<u8>) {
        super::finish(buffer);
    }
}
