//! Turns a committed chunk into figures: what its job's report adds up, this process adds up too.

use super::{JudgedChunk, fence};
use crate::feed::Severity;
use crate::rules::Reject;
use crate::telemetry::catalog::{LOADED_BYTES, LOADED_CHUNKS, LOADED_RECORDS, REJECTED_RECORDS, REJECTS};

/// Once the chunk's transaction is committed. `extra`: what the target refused, beside what the rules did.
pub(super) fn committed(chunk: &JudgedChunk, extra: &[Reject]) {
    let feed = chunk.feed.feed.name.as_str();
    let refused = extra.len() as u64;
    LOADED_CHUNKS.add(&[feed], 1);
    LOADED_BYTES.add(&[feed], chunk.chunk.span);
    LOADED_RECORDS.add(&[feed], chunk.verdict.accepted - refused);
    REJECTED_RECORDS.add(&[feed], chunk.verdict.rejects.len() as u64 + refused);
    for (rule, records) in fence::by_rule(chunk, Severity::Error) {
        REJECTS.add(&[feed, rule], records);
    }
    for breach in extra.iter().flat_map(|reject| &reject.breaches) {
        REJECTS.add(&[feed, &breach.rule], 1);
    }
}
