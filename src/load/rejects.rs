//! Rejects in the binary format of COPY (PostgreSQL documentation, "COPY", section "Binary Format").

use super::JudgedChunk;
use crate::feed::Severity;
use crate::rules::{Breach, Reject};

/// Takes what [`encode`] gives.
pub(super) const COPY: &str = "copy fabric.rejects (job_id, record_no, seq, line, byte_offset, byte_length, source, \
                               reasons) from stdin (format binary)";

const COLUMNS: i16 = 8;

#[derive(serde::Serialize)]
struct Reason<'r> {
    rule: &'r str,
    severity: &'static str,
    field: Option<&'r str>,
    value: Option<String>,
    message: String,
}

impl<'r> Reason<'r> {
    fn new(breach: &'r Breach) -> Self {
        Self {
            rule: &breach.rule,
            severity: match breach.severity {
                Severity::Error => "error",
                Severity::Warn => "warn",
            },
            field: breach.field.as_deref(),
            value: breach.value.as_deref().map(storable),
            message: storable(&breach.message),
        }
    }
}

/// jsonb holds no U+0000; its picture (U+2400) stands for it. The source bytes keep it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

/// A whole COPY of `rejects`. The first `kept` of them keep their source bytes, the rest their byte ranges alone.
pub(super) fn encode<'r>(chunk: &JudgedChunk, rejects: impl Iterator<Item = &'r Reject>, kept: u64) -> Vec<u8> {
    let mut out = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for (index, reject) in rejects.enumerate() {
        let source = ((index as u64) < kept).then(|| &chunk.chunk.payload[reject.start..reject.end]);
        let reasons: Vec<Reason<'_>> = reject.breaches.iter().map(Reason::new).collect();
        let reasons = serde_json::to_vec(&reasons).expect("texts are JSON");
        out.extend(COLUMNS.to_be_bytes());
        long(&mut out, chunk.job.0);
        long(&mut out, reject.at.record as i64);
        field(&mut out, &chunk.chunk.seq.0.to_be_bytes());
        long(&mut out, reject.at.line as i64);
        long(&mut out, reject.at.byte as i64);
        long(&mut out, reject.length as i64);
        match source {
            Some(bytes) => field(&mut out, bytes),
            None => out.extend((-1_i32).to_be_bytes()),
        }
        // A version byte stands before the text of a jsonb (jsonb_recv).
        out.extend((reasons.len() as i32 + 1).to_be_bytes());
        out.push(1);
        out.extend(reasons);
    }
    out.extend((-1_i16).to_be_bytes());
    out
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as i32).to_be_bytes());
    out.extend(bytes);
}

fn long(out: &mut Vec<u8>, value: i64) {
    field(out, &value.to_be_bytes());
}
