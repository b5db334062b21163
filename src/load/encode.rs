//! Rows in the binary format of COPY (PostgreSQL documentation, "COPY", section "Binary Format").

use crate::chunk::JobId;
use crate::feed::Feed;
use crate::rules::Value;

/// Encodes accepted records: `_job_id`, `_record_no`, then the feed's fields in their order.
pub struct RowEncoder {}

impl RowEncoder {
    pub fn new(feed: &Feed, job: JobId) -> Self {
        let _ = (feed, job);
        todo!()
    }

    /// Clears `buffer` and writes the COPY header.
    pub fn begin(&self, buffer: &mut Vec<u8>) {
        let _ = buffer;
        todo!()
    }

    pub fn row(&self, buffer: &mut Vec<u8>, record_no: u64, values: &[Value<'_>]) {
        let _ = (buffer, record_no, values);
        todo!()
    }

    /// Writes the COPY trailer.
    pub fn finish(&self, buffer: &mut Vec<u8>) {
        let _ = buffer;
        todo!()
    }
}
