//! Failpoints and deliberate defects: what the fault suite does to this program from within.
//!
//! Both are there with the cargo feature `faults` alone, which no release has; without it every call in here is empty and
//! [`has`] is a constant. A process reads what is to happen from its environment when it starts, and refuses what it does
//! not know:
//!
//! - `FABRIC_TEST_POINTS=NAME=ACTIONS;NAME=ACTIONS…`: what happens at a failpoint, in the grammar of the crate `fail`:
//!   `[PERCENT%][COUNT*]ACTION`, several joined by `->`, of which the first that is due happens. The actions are
//!   `return(kill)` (SIGKILL to the process itself: nothing is unwound), `return(stop)` (SIGSTOP, until somebody sends
//!   SIGCONT), `return(error)` where the step can fail, `sleep(MILLISECONDS)`, `panic`, and `off`, which lets
//!   `3*off->1*return(kill)` kill the fourth time. Before it kills, stops or fails, a point says so on standard error.
//! - `FABRIC_TEST_DEFECT=NAME`: turns one defect on.
//! - `FABRIC_TEST_STRIKE=HOW WHERE MARKER`: `abort` the process or `panic` while a message that holds the marker is
//!   `decoded`, `judged` or `loaded`.
//!
//! A failpoint stands where something is half done. Which call it is says where it stands and what an error is there:
//! [`point`] on a thread, [`step`] in a task (which does not hold up the runtime while it sleeps), [`statement`] before a
//! statement (the error is the server's own), [`answer`] after one (it is done, and the answer is lost), [`kafka`] where
//! a broker answers.

mod defects;

#[cfg(not(feature = "faults"))]
mod absent;
#[cfg(feature = "faults")]
mod action;
#[cfg(feature = "faults")]
mod arming;
#[cfg(feature = "faults")]
mod points;
#[cfg(feature = "faults")]
mod strike;

#[cfg(not(feature = "faults"))]
pub use absent::{answer, has, kafka, point, statement, step, strike};
#[cfg(feature = "faults")]
pub use action::{answer, kafka, point, statement, step};
#[cfg(feature = "faults")]
pub use arming::{Unknown, arm};
pub use defects::Defect;
#[cfg(feature = "faults")]
pub use defects::{DEFECTS, has};
#[cfg(feature = "faults")]
pub use points::{Answers, POINTS, Point};
#[cfg(feature = "faults")]
pub use strike::strike;
