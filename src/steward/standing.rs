//! What a steward's process shows of itself: whether it leads, and the live jobs as it saw them last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::live::LiveJob;
use crate::telemetry::catalog::{JOBS, LEADER, OWED_CHUNKS};
use crate::telemetry::{Set, sample};

/// `None` while another leads.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    jobs: BTreeMap<&'static str, u64>,
    owed: u64,
}

impl Standing {
    pub(super) fn new() -> Arc<Self> {
        let standing = Arc::new(Self::default());
        sample(&standing, Self::tell);
        standing
    }

    pub(super) fn leads(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen::default());
    }

    pub(super) fn leads_no_more(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn saw(&self, live: &[LiveJob]) {
        let mut seen = Seen::default();
        for job in live {
            *seen.jobs.entry(job.state.as_str()).or_default() += 1;
            seen.owed += job.owed.chunks;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    fn tell(&self, set: &mut Set<'_>) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set(&LEADER, &[], f64::from(u8::from(seen.is_some())));
        let Some(seen) = &*seen else { return };
        for state in JOBS.words(0) {
            set(&JOBS, &[state], seen.jobs.get(state).copied().unwrap_or(0) as f64);
        }
        set(&OWED_CHUNKS, &[], seen.owed as f64);
    }
}
