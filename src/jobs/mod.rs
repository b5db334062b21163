//! What people and programs ask of jobs: register, show, wait, cancel, resume.

mod change;
mod publish;
mod query;
mod register;

pub use change::{cancel, fail, note, park, resume};
pub use publish::{CloseFigures, Closed, close, loaded_bytes, loaded_seqs, renew_lease};
pub use query::{JobDetail, JobSummary, Pins, list, pins, report, show, state_of};
pub use register::{NewJob, OpenJob, RegisterError, Registration, SourceIdentity, register, reopen};
