//! Turns a committed piece into figures: what its job's report adds up, this process adds up too.

use std::collections::BTreeMap;

use super::Piece;
use crate::feed::Severity;
use crate::rules::Reject;
use crate::telemetry::catalog::{LOADED_BYTES, LOADED_CHUNKS, LOADED_RECORDS, REJECTED_RECORDS, REJECTS};

/// Records per rule, of one severity.
pub(super) fn by_rule<P: Piece>(piece: &P, severity: Severity) -> BTreeMap<&str, u64> {
    let rules = piece.feed().plan.rules();
    let tally = piece.verdict().tally.iter().map(|tally| (&rules[usize::from(tally.rule.0)], tally.records));
    tally.filter(|(rule, _)| rule.severity == severity).map(|(rule, records)| (rule.name.as_str(), records)).collect()
}

/// Once the piece's transaction is committed. `extra`: what the target refused, beside what the rules did.
pub(super) fn committed<P: Piece>(piece: &P, extra: &[Reject]) {
    let feed = piece.feed().feed.name.as_str();
    let refused = extra.len() as u64;
    LOADED_CHUNKS.add(&[feed], 1);
    LOADED_BYTES.add(&[feed], piece.span());
    LOADED_RECORDS.add(&[feed], piece.verdict().accepted - refused);
    REJECTED_RECORDS.add(&[feed], piece.verdict().rejects.len() as u64 + refused);
    for (rule, records) in by_rule(piece, Severity::Error) {
        REJECTS.add(&[feed, rule], records);
    }
    for breach in extra.iter().flat_map(|reject| &reject.breaches) {
        REJECTS.add(&[feed, &breach.rule], 1);
    }
}
