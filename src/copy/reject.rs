//! Rejects as rows of `fabric.rejects`, those of streams as rows of `fabric.stream_rejects`.

use std::borrow::Cow;

use serde::Serialize;

use super::{NULL, bigint, bytes, fixed, length};
use crate::chunk::{JobId, Seq};
use crate::feed::Severity;
use crate::rules::{Breach, Reject};

/// The columns of `fabric.rejects` that [`RejectEncoder`] writes, in its order; `rejected_at` has a default.
pub const REJECT_COLUMNS: [&str; 8] =
    ["job_id", "record_no", "seq", "line", "byte_offset", "byte_length", "source", "reasons"];

/// Whether a reject's source bytes are stored with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepSource {
    Bytes,
    /// Past the limit of kept rejects: the byte range finds them in the file.
    Range,
}

/// Encodes the rejects of a chunk.
pub struct RejectEncoder;

impl RejectEncoder {
    /// Fills `buffer` with one whole binary COPY of [`REJECT_COLUMNS`]. `payload` is the chunk's, into which the
    /// rejects point.
    pub fn encode(job: JobId, seq: Seq, payload: &[u8], rejects: &[Reject], keep: KeepSource, buffer: &mut Vec<u8>) {
        super::begin(buffer);
        for reject in rejects {
            buffer.extend_from_slice(&(REJECT_COLUMNS.len() as i16).to_be_bytes());
            bigint(buffer, job.0);
            fixed::<12>(buffer, &reject.at.record.to_be_bytes());
            fixed::<8>(buffer, &seq.0.to_be_bytes());
            fixed::<12>(buffer, &reject.at.line.to_be_bytes());
            fixed::<12>(buffer, &reject.at.byte.to_be_bytes());
            fixed::<12>(buffer, &reject.length.to_be_bytes());
            match keep {
                KeepSource::Bytes => bytes(buffer, &payload[reject.start..reject.end]),
                KeepSource::Range => buffer.extend_from_slice(&NULL),
            }
            reasons(buffer, &reject.breaches);
        }
        super::finish(buffer);
    }
}

/// The columns of `fabric.stream_rejects` that [`StreamRejectEncoder`] writes, in its order.
pub const STREAM_REJECT_COLUMNS: [&str; 8] =
    ["feed", "topic", "partition", "offset", "feed_version", "byte_length", "source", "reasons"];

/// Encodes the rejects of a stream's batch.
pub struct StreamRejectEncoder<'b> {
    pub feed: &'b str,
    pub topic: &'b str,
    pub partition: i32,
    pub feed_version: i32,
}

impl StreamRejectEncoder<'_> {
    /// Fills `buffer` with one whole binary COPY of [`STREAM_REJECT_COLUMNS`]. `payload` is the batch's, into which the
    /// rejects point; a reject's record number is its offset.
    pub fn encode(&self, payload: &[u8], rejects: &[Reject], buffer: &mut Vec<u8>) {
        super::begin(buffer);
        for reject in rejects {
            buffer.extend_from_slice(&(STREAM_REJECT_COLUMNS.len() as i16).to_be_bytes());
            bytes(buffer, self.feed.as_bytes());
            bytes(buffer, self.topic.as_bytes());
            fixed::<8>(buffer, &self.partition.to_be_bytes());
            fixed::<12>(buffer, &reject.at.record.to_be_bytes());
            fixed::<8>(buffer, &self.feed_version.to_be_bytes());
            fixed::<12>(buffer, &reject.length.to_be_bytes());
            bytes(buffer, &payload[reject.start..reject.end]);
            reasons(buffer, &reject.breaches);
        }
        super::finish(buffer);
    }
}

/// One element of `reasons`.
#[derive(Serialize)]
struct Reason<'b> {
    rule: &'b str,
    severity: &'static str,
    field: Option<&'b str>,
    value: Option<Cow<'b, str>>,
    message: Cow<'b, str>,
}

impl<'b> Reason<'b> {
    fn of(breach: &'b Breach) -> Self {
        Self {
            rule: &breach.rule,
            severity: match breach.severity {
                Severity::Error => "error",
                Severity::Warn => "warn",
            },
            field: breach.field.as_deref(),
            value: breach.value.as_deref().map(without_nul),
            message: without_nul(&breach.message),
        }
    }
}

/// jsonb refuses `\u0000` (PostgreSQL documentation, "JSON Types"): U+FFFD, the replacement character, stands for it.
/// The source bytes keep the truth.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// `jsonb_recv` takes a version, 1, and the text of the JSON (PostgreSQL's src/backend/utils/adt/jsonb.c).
fn reasons(buffer: &mut Vec<u8>, breaches: &[Breach]) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.push(1);
    let reasons: Vec<_> = breaches.iter().map(Reason::of).collect();
    serde_json::to_writer(&mut *buffer, &reasons).expect("strings go into memory without fail");
    let size = length(buffer.len() - start - 4);
    buffer[start..start + 4].copy_from_slice(&size);
}
