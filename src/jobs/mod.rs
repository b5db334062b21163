//! What people and programs ask of jobs: register, show, wait, cancel, resume.

mod change;
mod earlier;
mod event;
mod lease;
mod moves;
mod owed;
mod publish;
mod query;
mod recorded;
mod recorder;
mod register;
mod rejects;
mod report;
mod stop;
mod wait;

pub use change::{ChangeError, fail, note, note_gap};
pub(crate) use event::emit;
pub use event::{EventKind, JobEvent, SCHEMA as EVENT_SCHEMA, TOPIC as EVENT_TOPIC};
pub use lease::{Claim, CutBy, Renewed, release_lease, renew_lease, reopen, take_lease};
pub(crate) use moves::{Reason, log_move, make_move, read_state};
pub use owed::{Cause, Publishing, Resumed, copied, go_on, lose, owe, park, quarantine, resume, send_anew, to_try};
pub use publish::{Backlog, CloseFigures, Closed, FileFigures, backlog, close, loaded_seqs};
pub use query::{JobDetail, JobSummary, OwedChunk, Pins, lane_of, list, pins, progress, show, source_of, state_of};
pub(crate) use query::{missing, named};
pub use recorded::{CLOSED_SCHEMA, JobClosed, JobOpened, OPENED_SCHEMA, Recorded};
pub use recorder::Recorder;
pub use register::{NewJob, OpenJob, RegisterError, Registration, SourceIdentity, register};
pub use rejects::{RejectReason, RejectRow, reject_rows, rejects_by_rule};
pub use report::report;
pub use stop::cancel;
pub(crate) use stop::{evict, lock_alone};
pub use wait::wait;
