//! Why a program cannot open a job, keep its lease, or close it.

use std::time::Duration;

use crate::chunk::JobId;
use crate::config::ConfigError;
use crate::jobs::RegisterError;
use crate::ledger::JobState;
use crate::report::figures::whole_duration;
use crate::topics::TopicsError;

#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Topics(#[from] TopicsError),
    #[error("Kafka has no topic {0}: run `fabric topics apply`")]
    NoLane(String),
    #[error("{0}")]
    Kafka(String),
    #[error(
        "not opened: job {of} has the same content and is {state}. --again loads it all the same; fabric jobs show {of}"
    )]
    Duplicate { of: JobId, state: JobState },
    /// Found when it was closed: the content is known only then.
    #[error(
        "job {job} has ended as duplicate: job {of} has the same content. Rows that were loaded before this was seen have _job_id {job}; fabric jobs show {of}"
    )]
    LateDuplicate { job: JobId, of: JobId },
    #[error("job {job} is being published by {publisher}, whose lease runs for {} more. End that one, or wait until its lease has run out", whole_duration(*.remaining))]
    Leased { job: JobId, publisher: String, remaining: Duration },
    #[error("there is no job {0}; `fabric jobs list` shows those that there are")]
    NoJob(JobId),
    #[error("that token is none of job {job}'s: use the one that `fabric jobs open` gave")]
    Stranger { job: JobId },
    #[error(
        "job {job} is published by another run now ({publisher}), which took it over when its lease had run out. End this one: what both published is loaded once"
    )]
    Taken { job: JobId, publisher: String },
    #[error("job {job} is {state}: it takes no more chunks. Publish no more; fabric jobs show {job}")]
    Ended { job: JobId, state: JobState },
    #[error(
        "job {job} was closed before, with {chunks} chunks, {records} records and the SHA-256 {content}: that stands"
    )]
    ClosedOtherwise { job: JobId, chunks: u32, records: u64, content: String },
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

impl PublisherError {
    /// Whether asking again could not end otherwise (exit code 3).
    pub const fn is_the_datas_doing(&self) -> bool {
        matches!(
            self,
            Self::Duplicate { .. } | Self::LateDuplicate { .. } | Self::Ended { .. } | Self::ClosedOtherwise { .. }
        )
    }

    /// Whether whoever asks can put it right by asking otherwise (exit code 2).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoJob(_) | Self::Stranger { .. } => true,
            Self::Register(
                RegisterError::NoJob(_)
                | RegisterError::NotResumable { .. }
                | RegisterError::CutByFabric { .. }
                | RegisterError::Config(
                    ConfigError::NoFeed { .. } | ConfigError::Retired { .. } | ConfigError::NoFiles { .. },
                ),
            ) => true,
            Self::Register(RegisterError::Reference(error)) => error.is_usage(),
            _ => false,
        }
    }
}
