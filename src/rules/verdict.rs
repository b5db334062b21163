//! What judging a chunk gave.

use super::RuleId;
use crate::chunk::Position;
use crate::feed::Severity;

/// The verdict on one chunk: `records = accepted + rejects.len()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub records: u64,
    pub accepted: u64,
    /// In the order of their records.
    pub rejects: Vec<Reject>,
    /// One per rule that some record broke, in the order of the plan's rules.
    pub tally: Vec<RuleTally>,
}

/// A record that broke a rule of severity `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub at: Position,
    /// The record's source bytes in the chunk's payload, line end included.
    pub start: usize,
    pub end: usize,
    /// Bytes that the record has in the file: more than `end - start` where it is overlong.
    pub length: u64,
    /// Every rule that it broke, warnings too, in the order of the plan's rules.
    pub breaches: Vec<Breach>,
}

/// One rule broken by one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// As reports name it: `amount.exclusiveMinimum`, `record.fieldCount`, `primaryKey`, `known-branch`.
    pub rule: String,
    pub severity: Severity,
    /// `None` where the rule is about several fields, or the whole record.
    pub field: Option<String>,
    /// The cell as it stood in the file, cut after 200 bytes at a character, invalid UTF-8 replaced; of several fields
    /// all of them, with `, ` between.
    pub value: Option<String>,
    /// `must be greater than 0`
    pub message: String,
}

/// How many records broke a rule, and the first that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleTally {
    pub rule: RuleId,
    pub records: u64,
    pub first: Position,
}
