//! Accepted records as rows of their target.

use super::{NULL, bigint, bytes, fixed, numeric};
use crate::chunk::JobId;
use crate::feed::{Feed, FieldType};
use crate::rules::Value;

/// Days from 1970-01-01 to 2000-01-01, from which Postgres counts dates and timestamps.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;
const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * 86_400_000_000;

/// Encodes accepted records: the columns of [`super::lineage`], then the feed's fields in their order.
pub struct RowEncoder {
    /// What each row begins with: the count of columns, the lineage that all have, and the length of the record's number.
    head: Vec<u8>,
    /// Of each field; 0 where it is no decimal.
    scales: Vec<u8>,
}

impl RowEncoder {
    /// Of a job's rows. `feed` has at most 1,500 fields.
    pub fn new(feed: &Feed, job: JobId) -> Self {
        Self::with(feed, |head| bigint(head, job.0))
    }

    /// Of rows of a record topic's partition, judged by this version of the feed.
    pub fn of_stream(feed: &Feed, topic: &str, partition: i32, version: i32) -> Self {
        Self::with(feed, |head| {
            bytes(head, topic.as_bytes());
            fixed::<8>(head, &partition.to_be_bytes());
            fixed::<8>(head, &version.to_be_bytes());
        })
    }

    fn with(feed: &Feed, lineage: impl FnOnce(&mut Vec<u8>)) -> Self {
        let columns =
            i16::try_from(super::copy_columns(feed).len()).expect("Postgres holds no more than 1,600 columns");
        let mut head = columns.to_be_bytes().to_vec();
        lineage(&mut head);
        head.extend_from_slice(&8i32.to_be_bytes());
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
    pub fn row(&self, buffer: &mut Vec<u8>, number: u64, values: &[Value<'_>]) {
        debug_assert_eq!(values.len(), self.scales.len());
        buffer.extend_from_slice(&self.head);
        buffer.extend_from_slice(&number.to_be_bytes());
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
