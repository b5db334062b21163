//! What can happen, and when.

/// A process of the scenario, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    Validator(usize),
    Steward(usize),
    /// Of a job.
    Publisher(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Kafka,
    Postgres,
    Redis,
}

/// A wall clock that is three hours off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Fast,
    Slow,
}

/// What a network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing arrives, connections stay.
    Cut,
    /// Connections end, new ones are refused.
    Refused,
    /// So many bytes a second, each way.
    Slow(u64),
    /// Each connection is reset after so many bytes to the server, in the middle of whatever they are.
    Reset(u64),
    /// What is asked arrives, and what is answered does not; then the connection is reset.
    AnswersLost,
    /// The server's side is gone and nobody has said so; new connections are well.
    HalfOpen,
}

/// What a failpoint does to whoever comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Stop,
    /// Milliseconds.
    Sleep(u32),
    Panic,
    Error,
}

/// What befalls whoever judges a certain record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The whole process.
    Abort,
    Panic,
}

/// A record of a file that kills whoever judges it, until a mended release runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Killer {
    pub job: usize,
    /// From 0.
    pub record: u64,
    pub death: Death,
}

/// A failpoint of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armed {
    pub who: Who,
    /// Of the processes of this name the how manieth.
    pub life: usize,
    pub point: &'static str,
    /// How often it is passed before.
    pub passes: u32,
    pub blow: Blow,
    /// How often it strikes.
    pub times: u32,
}

/// Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; a new one is started.
    Killed {
        who: Who,
        back: u64,
    },
    /// SIGKILL while one of its loaders has a transaction open.
    KilledLoading {
        who: Who,
        back: u64,
    },
    /// SIGTERM; a new one is started.
    Leaves {
        who: Who,
        back: u64,
    },
    Frozen {
        who: Who,
        lasting: u64,
    },
    /// While one of its loaders has a transaction open.
    FrozenLoading {
        who: Who,
        lasting: u64,
    },
    /// In mid-transaction, until everything else has come to rest: nobody may wait for it.
    Abandoned {
        who: Who,
    },
    /// One validator more.
    Joins {
        who: Who,
    },
    PostgresKilled {
        back: u64,
    },
    PostgresRestarted,
    KafkaRestarted,
    RedisRestarted,
    RedisFlushed,
    /// Postgres ends every session of fabric's.
    SessionsEnded,
    /// The database admits nobody.
    DatabaseClosed {
        lasting: u64,
    },
    ConnectionsTaken {
        lasting: u64,
    },
    /// Back to [`Act::Keep`]; then `fabric recover`.
    Restored,
    DiskFull {
        lasting: u64,
    },
    TargetGone {
        lasting: u64,
    },
    TargetLocked {
        lasting: u64,
    },
    RightRevoked {
        lasting: u64,
    },
    LanePartitions {
        high: bool,
    },
    StreamPartitions {
        stream: usize,
    },
    /// By `fabric streams pause` and `resume`.
    StreamPaused {
        stream: usize,
        lasting: u64,
    },
    Network {
        who: Who,
        server: Server,
        trouble: Trouble,
        lasting: u64,
    },
}

impl Fault {
    /// As results count it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Killed { .. } => "killed",
            Self::KilledLoading { .. } => "killedInTransaction",
            Self::Leaves { .. } => "left",
            Self::Frozen { .. } => "frozen",
            Self::FrozenLoading { .. } => "frozenInTransaction",
            Self::Abandoned { .. } => "abandoned",
            Self::Joins { .. } => "joined",
            Self::PostgresKilled { .. } => "postgresKilled",
            Self::PostgresRestarted => "postgresRestarted",
            Self::KafkaRestarted => "kafkaRestarted",
            Self::RedisRestarted => "redisRestarted",
            Self::RedisFlushed => "redisFlushed",
            Self::SessionsEnded => "sessionsEnded",
            Self::DatabaseClosed { .. } => "databaseClosed",
            Self::ConnectionsTaken { .. } => "connectionsTaken",
            Self::Restored => "postgresRestored",
            Self::DiskFull { .. } => "diskFull",
            Self::TargetGone { .. } => "targetGone",
            Self::TargetLocked { .. } => "targetLocked",
            Self::RightRevoked { .. } => "rightRevoked",
            Self::LanePartitions { .. } => "lanePartitionsAdded",
            Self::StreamPartitions { .. } => "streamPartitionsAdded",
            Self::StreamPaused { .. } => "streamPaused",
            Self::Network { trouble, .. } => match trouble {
                Trouble::Cut => "networkCut",
                Trouble::Refused => "networkRefused",
                Trouble::Slow(_) => "networkSlow",
                Trouble::Reset(_) => "networkReset",
                Trouble::AnswersLost => "answersLost",
                Trouble::HalfOpen => "halfOpen",
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Publishing a job.
    Begin(usize),
    /// `fabric jobs cancel`, where the job has not ended.
    Cancel(usize),
    /// The other version of the feed of files.
    ActivateFiles,
    /// The other version of a stream's feed.
    ActivateStream(usize),
    /// The database as it is now is kept for [`Fault::Restored`].
    Keep,
    Fault(Fault),
}

/// After the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Millis(u64),
    /// Until so much more is loaded: chunks, and batches of streams. Three seconds at most.
    Loaded(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub wait: Wait,
    pub act: Act,
}
