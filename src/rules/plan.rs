//! A feed's types and rules, compiled.

use super::{Value, Verdict};
use crate::chunk::Chunk;
use crate::feed::{Feed, Severity};
use crate::record::{Columns, Record};

/// Index into [`Plan::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u16);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// `amount.exclusiveMinimum`, `posted_at.type`, `transaction_id.required`, `record.fieldCount`,
    /// `record.unclosedQuote`, `record.tooLong`, `name.encoding` (not UTF-8), `name.nul` (Postgres holds no U+0000).
    pub name: String,
    pub severity: Severity,
    /// Index into the feed's fields.
    pub field: Option<usize>,
}

/// Immutable, shared by all workers.
pub struct Plan {}

/// A worker's buffers, used again for each chunk.
#[derive(Default)]
pub struct Scratch {}

impl Plan {
    pub fn compile(feed: &Feed) -> Self {
        let _ = feed;
        todo!()
    }

    pub fn rules(&self) -> &[RuleInfo] {
        todo!()
    }

    /// Judges every record of `chunk`; calls `accept` with each good one and its values, one per field of the feed.
    pub fn judge(
        &self,
        columns: &Columns,
        chunk: &Chunk,
        scratch: &mut Scratch,
        accept: impl FnMut(&Record<'_>, &[Value<'_>]),
    ) -> Verdict {
        let _ = (columns, chunk, scratch, accept);
        todo!()
    }
}
