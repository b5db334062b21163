//! Compiles a feed into a [`Plan`], and judges chunks with it.
//!
//! The order of rules changes no verdict: a record's reject carries every rule that it broke.

mod plan;
mod value;
mod verdict;

pub use plan::{Plan, RuleId, RuleInfo, Scratch};
pub use value::Value;
pub use verdict::{Breach, Reject, RuleTally, Verdict};
