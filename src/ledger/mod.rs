//! What to do with a delivery, who may move a job from which state to which, and what a job's rows add up to.

mod fence;
mod progress;
mod state;
mod totals;

pub use fence::Fence;
pub use progress::{Committable, Finish, Progress};
pub use state::{JobState, Move, Published, Refused, UnknownState};
pub use totals::{Crossing, Judgement, Stated, Terms, Totals, crossings, judge};
