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
    // A publisher registers a job, publishes its chunks, closes it.
    fallible("register.commit.sent", "a job is registered, that is about to be committed"),
    fallible("register.commit.acked", "a job is registered, its publisher has not been told"),
    infallible("open.recorded", "Kafka keeps what registers a job again, no chunk of it is sent"),
    infallible("publish.before", "a chunk is cut and counted as sent, librdkafka has not got it"),
    infallible("publish.sent", "librdkafka has a chunk, Kafka may not"),
    infallible("publish.acked", "Kafka has a chunk, its publisher has not counted it as acknowledged"),
    infallible(
        "close.before",
        "every chunk of a job is acknowledged, neither Kafka nor Postgres knows that these are all",
    ),
    infallible("close.recorded", "Kafka knows that a job is closed, Postgres does not"),
    fallible("close.commit.sent", "a job is closed, that is about to be committed"),
    fallible("close.commit.acked", "a job is closed, its publisher has not been told"),
    // A member of the group is given partitions, and gives them up.
    infallible("assign.asked", "it is known what the group has committed of new partitions, they are not answered for"),
    infallible("custody.taken", "it is on record that a process holds new partitions, nothing of them is taken"),
    infallible("rewind.assigned", "a partition begins again where `fabric recover` says, the group does not know it"),
    infallible("rewind.committed", "the group knows that a partition begins again, Postgres still asks for it"),
    infallible("revoke.begun", "partitions are revoked, their chunks are in flight"),
    infallible(
        "revoke.rested",
        "what was in flight of revoked partitions is done or given up, nothing is committed of it",
    ),
    infallible("revoke.committed", "what is done of revoked partitions is committed, they are still in custody"),
    infallible("revoke.released", "revoked partitions are out of custody, the group waits for the answer"),
    infallible("leave.begun", "a member is about to leave the group, it has committed and let go of nothing"),
    fallible("offsets.before", "chunks are loaded, their offsets are not committed"),
    infallible("offsets.after", "a commit of offsets is on its way"),
    // A chunk on its way to Postgres.
    infallible("poll.taken", "a chunk is taken off its partition, no worker has it"),
    infallible("attempt.noted", "it is on record that a chunk is tried alone, the try has not begun"),
    fallible("quarantine.before", "a chunk has killed its worker too often, nothing is on record of that"),
    infallible("bury.sent", "a message is in the dead letters, its job knows nothing of it"),
    infallible("bury.noted", "a dead letter is noted against its job, its offset is not finished"),
    infallible("load.told", "a chunk is loaded and its worker knows, its offset is not finished"),
    // A transaction that loads chunks, or a batch of a stream.
    fallible("load.fence", "a loader has what is judged, its transaction is not begun"),
    fallible("load.fenced", "the fence has answered and holds its locks, nothing is loaded"),
    fallible("load.rows", "the fence's rows are in, none of the target's"),
    infallible("load.copying", "a COPY is under way, the server waits for its end"),
    fallible("load.staged", "the target has refused a record, the rows stand in a temporary table"),
    fallible("load.rejects", "the target's rows are in, the rejects are not"),
    fallible("load.commit.sent", "rows, rejects and the fence's rows are in, that is about to be committed"),
    fallible("load.commit.acked", "rows, rejects and the fence's rows are committed, nobody has been told"),
    fallible("evict.before", "a loader of ours is seen to hold up another, it is not ended"),
    fallible("owe.commit.sent", "a chunk is set aside as owed, that is about to be committed"),
    fallible("owe.commit.acked", "a chunk is set aside as owed, its worker has not been told"),
    // Streams, beside what they share with files.
    infallible("stream.found", "the position of a partition is known and it is in custody, it is not begun"),
    infallible("stream.placed", "the polling thread stands at the position of a partition, nothing is taken"),
    infallible("stream.closed", "a batch is closed and counts as in flight, nobody works on it"),
    infallible("stream.attempt.noted", "it is on record which records are tried alone, the try has not begun"),
    infallible("stream.loaded", "a batch is loaded, its partition still stands where it began"),
    fallible("stream.offsets.before", "batches are loaded, their offsets are not committed"),
    infallible("stream.offsets.after", "a commit of a stream's offsets is on its way"),
    infallible("stream.revoke.begun", "partitions of streams are revoked, their batches are in flight"),
    infallible(
        "stream.revoke.rested",
        "batches of revoked partitions are done or given up, the partitions are in custody",
    ),
    // The steward.
    infallible("steward.elected", "a process has the steward's seat, it has done nothing"),
    fallible("steward.round", "a round of the steward is about to begin"),
    fallible("steward.sums", "what a job's ledger adds up to is known, its row has older sums"),
    fallible("steward.move.sent", "a job has moved and its event is in the outbox, that is about to be committed"),
    fallible("steward.move.acked", "a job has moved and its event is in the outbox, the steward has not been told"),
    fallible("steward.stop.sent", "a stopping job is locked and has stopped, that is about to be committed"),
    fallible("window.commit.sent", "a window of a stream is judged and the next begun, that is about to be committed"),
    fallible("window.pause.sent", "a threshold has paused a stream, that is about to be committed"),
    infallible("outbox.read", "events are read from the outbox, none is sent"),
    infallible("outbox.sent", "Kafka has an event, its row is still in the outbox"),
    fallible("outbox.remove", "Kafka has a batch of events, their rows are about to go"),
    fallible("outbox.removed", "the rows of a batch of events are gone, the steward has not been told"),
    infallible("owed.probed", "a target takes records again, nothing that is owed is sent"),
    infallible("owed.released", "owed chunks are marked as sent, none is"),
    infallible("owed.copied", "owed chunks are on their lane again, their job does not know where"),
    // What people do.
    infallible("cancel.stopping", "a job is to stop, loaders of it are at work"),
    fallible("cancel.commit.sent", "a cancelled job is locked and has stopped, that is about to be committed"),
    fallible("config.pointed", "another version is the active one, nobody is told: no event, no audit"),
    fallible("config.commit.sent", "an edit of a feed is whole, that is about to be committed"),
    fallible("config.commit.acked", "an edit of a feed is committed, its author has not been told"),
    infallible("config.prepared", "a process has the plan of a new version ready, and still knows the one before"),
    fallible("recover.registered", "forgotten jobs are registered again, no partition goes back"),
    fallible(
        "recover.commit.sent",
        "forgotten jobs are registered and partitions go back, that is about to be committed",
    ),
    fallible("recover.commit.acked", "forgotten jobs are registered and partitions go back, no job is closed again"),
];
