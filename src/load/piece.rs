//! What one transaction loads: a chunk of a file, or a batch of a stream.
//!
//! They differ in what fences them, in how a record is found in them again, and in who answers where the target is at
//! fault. Rows, rejects, refusals and whose fault an error is are the same for both.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

use super::{LoadError, Outcome};
use crate::chunk::Position;
use crate::config::PinnedFeed;
use crate::copy::KeepSource;
use crate::ledger::Fence;
use crate::rules::{Reject, Verdict};

/// A record's place in its piece, and its cells in the order of the feed's fields.
pub struct Found {
    pub at: Position,
    /// Where its source bytes are.
    pub start: usize,
    pub end: usize,
    pub cells: Vec<String>,
}

/// A table of rejects.
pub struct RejectTable {
    /// With its schema.
    pub name: &'static str,
    /// In the order in which [`Piece::rejects`] writes them.
    pub columns: &'static [&'static str],
}

/// Judged and encoded, ready to load. Shown, it names itself for people.
pub trait Piece: std::fmt::Display + Sync {
    /// Where its rejects go.
    const REJECTS: RejectTable;

    fn feed(&self) -> &Arc<PinnedFeed>;

    fn verdict(&self) -> &Verdict;

    /// The accepted records as one whole binary COPY of the target's columns.
    fn rows(&self) -> &[u8];

    /// Source bytes that it answers for.
    fn span(&self) -> u64;

    /// The select that asks the fence: an answer of [`Fence`], and the rejects before it.
    fn question(&self, loader: &str) -> String;

    /// One whole binary COPY of the columns of [`Self::REJECTS`].
    fn rejects(&self, rejects: &[Reject], keep: KeepSource) -> Vec<u8>;

    /// The statement that corrects what the fence put down, where the target refused records beside the rules.
    fn correction(&self, loaded: u64, rejected: u64, extra: &[Reject]) -> String;

    /// Finds records again by the numbers of their rows. Reading gives what judging read, so each is there.
    fn find(&self, wanted: &HashSet<u64>) -> Result<BTreeMap<u64, Found>, String>;

    /// What the fence did not let in, once its transaction is rolled back.
    fn unloaded(&self, fence: Fence, aside: &PgPool) -> impl Future<Output = Result<Outcome, LoadError>> + Send;

    /// Its target is at fault, for the reason: puts that down where people and the steward find it.
    fn park(
        &self,
        connection: &mut PgConnection,
        reason: &str,
    ) -> impl Future<Output = Result<Outcome, LoadError>> + Send;
}
