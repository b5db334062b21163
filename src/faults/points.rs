//! Every failpoint, in the order in which a record meets them.

/// A place where something is half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub name: &'static str,
    /// What is done there, and what is not.
    pub where_: &'static str,
    pub answers: Answers,
}

/// Whether the step at a point can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Nothing,
    /// `return(error)` has a meaning there.
    Error,
}

const fn infallible(name: &'static str, where_: &'static str) -> Point {
    Point { name, where_, answers: Answers::Nothing }
}

const fn fallible(name: &'static str, where_: &'static str) -> Point {
    Point { name, where_, answers: Answers::Error }
}

pub const POINTS: &[Point] = &[
    infallible("publish.before", "a chunk is cut and counted as sent, librdkafka has not got it"),
    infallible("publish.sent", "librdkafka has a chunk, Kafka may not"),
    infallible("publish.acked", "Kafka has a chunk, its publisher has not counted it as acknowledged"),
    infallible("poll.taken", "a chunk is taken off its partition, no worker has it"),
    fallible("load.fence", "a loader has a chunk judged, its transaction is not begun"),
    fallible("load.rows", "the ledger row of a chunk is in, none of its rows"),
    infallible("load.copying", "a COPY is under way, the server waits for its end"),
    fallible("load.rejects", "the rows of a chunk are in, none of its rejects"),
    fallible("load.commit.sent", "a chunk is whole, its commit is about to be sent"),
    fallible("load.commit.acked", "a chunk is committed, nobody has been told"),
];
