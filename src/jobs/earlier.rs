//! Decides what becomes of a file that earlier jobs of its feed look like.

use std::time::Duration;

use crate::chunk::JobId;
use crate::ledger::JobState;

/// A job that the file may be: same size, head and tail, or same content. Only states that count: jobs that failed or
/// were stopped or undone are none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    pub job: JobId,
    pub state: JobState,
    /// SHA-256 of its file, where that is known.
    pub content: Option<[u8; 32]>,
    /// Its publisher has closed it: every chunk is on the lane, and the content is known.
    pub whole: bool,
    pub publisher: String,
    /// Zero where the lease has run out.
    pub lease_left: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    New,
    Continue(JobId),
    HashNeeded { like: JobId },
    Duplicate { of: JobId, state: JobState },
    Leased { job: JobId, publisher: String, remaining: Duration },
}

/// `content` is the hash of the file at hand, where it has been read for this.
pub(super) fn decide(content: Option<[u8; 32]>, earlier: &[Earlier]) -> Decision {
    let Some(content) = content else {
        let known = earlier.iter().find(|job| job.is_published() || job.content.is_some());
        return match known {
            Some(job) => Decision::HashNeeded { like: job.job },
            None => go_on(earlier.first()),
        };
    };
    if let Some(job) = earlier.iter().find(|job| job.is_published() && job.content == Some(content)) {
        return Decision::Duplicate { of: job.job, state: job.state };
    }
    go_on(earlier.iter().find(|job| !job.is_published() && job.content.is_none_or(|known| known == content)))
}

fn go_on(unfinished: Option<&Earlier>) -> Decision {
    match unfinished {
        None => Decision::New,
        Some(job) if job.lease_left.is_zero() => Decision::Continue(job.job),
        Some(job) => Decision::Leased { job: job.job, publisher: job.publisher.clone(), remaining: job.lease_left },
    }
}

impl Earlier {
    /// Nothing is left to publish: another load of the same content is a duplicate. An incomplete job was published
    /// whole once, but must be published again.
    fn is_published(&self) -> bool {
        self.whole && self.state != JobState::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: [u8; 32] = [1; 32];
    const OTHER: [u8; 32] = [2; 32];

    fn unfinished(state: JobState) -> Earlier {
        Earlier {
            job: JobId(7),
            state,
            content: None,
            whole: false,
            publisher: "host/1/2".into(),
            lease_left: Duration::ZERO,
        }
    }

    fn whole(state: JobState) -> Earlier {
        Earlier { content: Some(SAME), whole: true, ..unfinished(state) }
    }

    #[test]
    fn a_file_like_none_is_new() {
        assert_eq!(decide(None, &[]), Decision::New);
        assert_eq!(decide(Some(SAME), &[]), Decision::New);
    }

    #[test]
    fn a_file_like_one_that_is_published_must_be_hashed_and_is_then_told_apart() {
        for state in [JobState::Loading, JobState::Parked, JobState::Reconciling, JobState::Completed] {
            let earlier = [whole(state)];
            assert_eq!(decide(None, &earlier), Decision::HashNeeded { like: JobId(7) });
            assert_eq!(decide(Some(SAME), &earlier), Decision::Duplicate { of: JobId(7), state });
            assert_eq!(decide(Some(OTHER), &earlier), Decision::New);
        }
    }

    #[test]
    fn an_unfinished_job_goes_on_once_its_lease_is_free() {
        for state in [JobState::Registered, JobState::Publishing, JobState::Stalled, JobState::Parked] {
            let free = unfinished(state);
            let remaining = Duration::from_secs(3);
            let leased = Earlier { lease_left: remaining, ..free.clone() };
            for content in [None, Some(SAME)] {
                assert_eq!(decide(content, std::slice::from_ref(&free)), Decision::Continue(JobId(7)));
                let publisher = leased.publisher.clone();
                assert_eq!(
                    decide(content, std::slice::from_ref(&leased)),
                    Decision::Leased { job: JobId(7), publisher, remaining }
                );
            }
        }
    }

    #[test]
    fn an_incomplete_job_goes_on_only_with_the_same_content() {
        let earlier = [whole(JobState::Incomplete)];
        assert_eq!(decide(None, &earlier), Decision::HashNeeded { like: JobId(7) });
        assert_eq!(decide(Some(SAME), &earlier), Decision::Continue(JobId(7)));
        assert_eq!(decide(Some(OTHER), &earlier), Decision::New);
    }

    #[test]
    fn a_loaded_job_outweighs_an_unfinished_one() {
        let earlier = [unfinished(JobState::Stalled), whole(JobState::Completed)];
        assert_eq!(decide(Some(SAME), &earlier), Decision::Duplicate { of: JobId(7), state: JobState::Completed });
    }
}
