//! Why a file was not published whole.

use std::path::PathBuf;

use crate::chunk::{ChunkId, JobId};
use crate::jobs::{ChangeError, RegisterError};
use crate::record::HeaderFault;
use crate::source::SourceError;

use super::publication::Halt;

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}; see `fabric feeds show` for the columns that the feed expects")]
    Header(#[from] HeaderFault),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(
        "job {job} of this file is being published by {publisher}, which still renews its lease. Wait for it, or end it first"
    )]
    Leased { job: JobId, publisher: String },
    #[error("job {job} came from a pipe: say where its bytes are with --from FILE")]
    NoPath { job: JobId },
    #[error("{} is gone, or cannot be read. Say where the file of job {job} is now: `fabric ingest --resume {job} --from FILE`", .path.display())]
    SourceGone { job: JobId, path: PathBuf },
    #[error("{} is not the file that job {job} was registered with: another size, begin or end. Say where that one is with --from FILE", .path.display())]
    OtherSource { job: JobId, path: PathBuf },
    /// The ledger has other bytes for a chunk that is loaded. `at`: where in the file it begins, decompressed.
    #[error("chunk {} of this file, from byte {at} on, is not what was loaded as such: this is not the file that job {} was begun with", .chunk.seq, .chunk.job)]
    OtherBytes { chunk: ChunkId, at: u64 },
    #[error(
        "job {job} was closed before with {chunks} chunks and {records} records: this is not the file that it was begun with"
    )]
    ClosedOtherwise { job: JobId, chunks: u32, records: u64 },
    #[error("{0}")]
    Kafka(String),
    #[error("{0}")]
    Postgres(String),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{}", halt_text(.0))]
    Halted(Halt),
    /// The data's doing; the job has ended.
    #[error("job {job} failed: {reason}")]
    JobFailed { job: JobId, reason: String },
    #[error(
        "{cause}\n  Job {job} is not published whole. Run the same command again, or `fabric ingest --resume {job}`: it goes on, and doubles nothing."
    )]
    Unfinished { job: JobId, cause: Box<IngestError> },
    #[error("a thread of fabric panicked: {0}")]
    Panicked(tokio::task::JoinError),
}

impl From<Halt> for IngestError {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl IngestError {
    /// Whether reading the same bytes again could not end otherwise (exit code 3).
    pub fn is_the_datas_doing(&self) -> bool {
        match self {
            Self::Header(_) | Self::OtherBytes { .. } | Self::ClosedOtherwise { .. } | Self::JobFailed { .. } => true,
            Self::Source(error) => error.is_the_datas_doing(),
            Self::Unfinished { cause, .. } => cause.is_the_datas_doing(),
            _ => false,
        }
    }
}

fn halt_text(halt: &Halt) -> String {
    match halt {
        Halt::JobEnded(state) => format!("the job is {}", state.as_str()),
        Halt::Interrupted => "interrupted".to_owned(),
        Halt::Vanished => "chunks of it were published and never loaded, and no lane holds them any more: their topic \
                           was emptied or made anew, or its retention is shorter than the backlog"
            .to_owned(),
        Halt::Undelivered { chunk, reason } => format!("Kafka did not take {chunk}: {reason}"),
    }
}
