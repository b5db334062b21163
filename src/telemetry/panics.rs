//! Turns a panic into one line of the log: where in the code, at work on which chunk, never a field's value.

use std::cell::Cell;
use std::fmt;

use crate::chunk::ChunkId;

/// What a thread works on, for the line that tells of its panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkedOn {
    pub partition: i32,
    pub offset: i64,
    /// `None` while the message is not decoded.
    pub chunk: Option<ChunkId>,
}

thread_local! {
    static WORKED_ON: Cell<Option<WorkedOn>> = const { Cell::new(None) };
}

impl fmt::Display for WorkedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, offset, chunk } = self;
        match chunk {
            Some(chunk) => write!(f, "{chunk} (partition {partition} offset {offset})"),
            None => write!(f, "partition {partition} offset {offset}"),
        }
    }
}

/// Runs `work`; a panic of it names what it worked on.
pub fn working_on<T>(what: WorkedOn, work: impl FnOnce() -> T) -> T {
    /// Forgets also where the work panics: the thread goes on with other work.
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            WORKED_ON.set(None);
        }
    }
    WORKED_ON.set(Some(what));
    let _done = Done;
    work()
}

/// What a panic says of itself, up to where it may quote what it worked on: `byte index 5 is not a char boundary; it is
/// inside 'é' (bytes 4..6) of …` is a field's value.
pub fn without_values(words: &str) -> String {
    let first_line = words.lines().next().unwrap_or_default();
    match first_line.find(['\'', '"', '`']) {
        Some(quoted) => format!("{}…", &first_line[..quoted]),
        None => first_line.to_owned(),
    }
}

/// A panic is one line of the log, like everything else; `RUST_BACKTRACE` brings the trace.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        super::catalog::PANICS.add(&[], 1);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let worked_on = WORKED_ON.get();
        let words = panic.payload_as_str().unwrap_or("unknown");
        // What is quoted of our own code and settings may be read; of a chunk it may not.
        let reason = if worked_on.is_some() { without_values(words) } else { words.to_owned() };
        let at_work_on = worked_on.map(tracing::field::display);
        let trace = std::backtrace::Backtrace::capture();
        let trace = (trace.status() == std::backtrace::BacktraceStatus::Captured).then_some(trace);
        let trace = trace.map(tracing::field::display);
        tracing::error!(place, at_work_on, trace, "a fault of fabric's own: {reason}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{JobId, Seq};

    #[test]
    fn a_thread_knows_what_it_works_on_until_it_is_done_or_has_panicked() {
        let what = WorkedOn { partition: 3, offset: 42, chunk: Some(ChunkId { job: JobId(7), seq: Seq(12) }) };
        let seen = working_on(what, || WORKED_ON.get().map(|what| what.to_string()));
        assert_eq!(seen, Some(format!("{} (partition 3 offset 42)", what.chunk.unwrap())));
        let panicked = std::panic::catch_unwind(|| working_on(what, || std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        assert_eq!(WORKED_ON.get(), None);
    }

    #[test]
    fn what_a_panic_quotes_is_left_out() {
        let said = [
            "byte index 5 is not a char boundary; it is inside 'é' (bytes 4..6) of `Rüdiger`",
            "called `Result::unwrap()` on an `Err` value: Field(\"DE89 3704\")",
            "index out of bounds: the len is 3 but the index is 7",
        ];
        let kept = said.map(without_values);
        let expected = [
            "byte index 5 is not a char boundary; it is inside …",
            "called …",
            "index out of bounds: the len is 3 but the index is 7",
        ];
        assert_eq!(kept, expected);
    }
}
