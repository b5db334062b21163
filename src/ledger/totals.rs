//! Adds up ledger rows and judges the sum.

/// Sums of a job's ledger rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {}

/// What the sums mean for the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {}
