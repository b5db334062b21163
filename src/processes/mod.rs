//! Processes that run: each announces itself by a row with a heartbeat, which turns into who holds what and where time
//! goes, for people who look.

mod announce;
mod holdings;
mod query;
mod tally;

use serde::{Deserialize, Serialize};

pub use announce::{Announcement, BEAT, announce};
pub use holdings::{Behind, CurrentThing, Holdings, ProcessHolding, holdings};
pub use query::{Process, list, sweep};
pub use tally::{Doing, Stage, Tally};

/// What a process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Validate,
    Ingest,
    Steward,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Ingest => "ingest",
            Self::Steward => "steward",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Validate, Self::Ingest, Self::Steward].into_iter().find(|role| role.as_str() == name)
    }
}
