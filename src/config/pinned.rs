//! A feed version and the reference sets that a job pins → what judges the job's chunks.

use std::collections::BTreeMap;

use crate::feed::Feed;
use crate::rules::{Plan, PlanFault, Sets};

/// The versions of the reference sets that a job's rules look up, by name.
pub type ReferencePins = BTreeMap<String, i32>;

/// A feed version, compiled with the sets that its rules look up.
pub struct PinnedFeed {
    pub feed: Feed,
    pub version: i32,
    pub plan: Plan,
}

impl PinnedFeed {
    pub fn compile(feed: Feed, version: i32, sets: &Sets) -> Result<Self, PlanFault> {
        let plan = Plan::compile(&feed, sets)?;
        Ok(Self { feed, version, plan })
    }
}
