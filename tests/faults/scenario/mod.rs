//! What a seed means: a value that says which jobs, streams, processes and faults there are, and when.

mod draw;
mod fault;
mod story;

use std::time::Duration;

pub use draw::{Size, draw};
pub use fault::{Act, Armed, Blow, Clock, Death, Fault, Killer, Server, Step, Trouble, Wait, Who};

use crate::feeds::{Form, Keys};
use crate::records::FileOf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Timeouts as short as they may be.
    Quick,
    /// fabric's own timeouts.
    Usual,
}

/// Of the consumer groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Classic,
    /// KIP-848.
    Consumer,
}

impl Protocol {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Normal,
    High,
}

impl Lane {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// Who publishes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `fabric ingest`; what is cut short goes on by the same command.
    Ingest,
    /// `fabric ingest`; what is cut short goes on by `--resume JOB`.
    Resuming,
    /// `fabric ingest`, twice at once for the same file.
    Twice,
    /// A program of its own that repeats and reorders chunks, and sends what is none of the job's.
    Hostile,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub file: FileOf,
    pub lane: Lane,
    pub by: By,
    /// Of its chunks, in bytes.
    pub chunk: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producing {
    Plain,
    /// In transactions of which each fourth or so is taken back.
    Transactions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Of its feed, and of its topic after the prefix.
    pub name: String,
    pub form: Form,
    pub producing: Producing,
    pub partitions: i32,
    pub messages: u64,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub seed: u64,
    pub size: Size,
    pub protocol: Protocol,
    pub keys: Keys,
    /// From the beginning.
    pub validators: usize,
    /// That may join later.
    pub later_validators: usize,
    /// Beside the candidates that validators carry.
    pub stewards: usize,
    pub clocks: Vec<(Who, Clock)>,
    /// What kills or stops whoever comes by.
    pub armed: Vec<Armed>,
    pub killer: Option<Killer>,
    /// Of commands with a Kafka or Postgres that does not answer, in seconds.
    pub patience_of_commands: u64,
    pub jobs: Vec<Job>,
    pub streams: Vec<Stream>,
    pub steps: Vec<Step>,
}

impl Scenario {
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Fault(fault) => Some(fault),
            _ => None,
        })
    }

    pub fn restores(&self) -> bool {
        self.faults().any(|fault| *fault == Fault::Restored)
    }

    /// Whether others on the same servers would feel it.
    pub fn shakes_servers(&self) -> bool {
        self.faults().any(|fault| {
            matches!(
                fault,
                Fault::PostgresKilled { .. }
                    | Fault::PostgresRestarted
                    | Fault::KafkaRestarted
                    | Fault::RedisRestarted
                    | Fault::RedisFlushed
                    | Fault::ConnectionsTaken { .. }
            )
        })
    }

    /// Whether its way to this server can be made to fail.
    pub fn is_behind_a_proxy(&self, who: Who, server: Server) -> bool {
        self.faults()
            .any(|fault| matches!(fault, Fault::Network { who: its, server: to, .. } if *its == who && *to == server))
    }

    /// Nothing that was away is away for longer, so this bounds how long nothing may move.
    pub fn patience(&self) -> Duration {
        match self.size.pace {
            Pace::Quick => Duration::from_secs(15),
            Pace::Usual => Duration::from_secs(75),
        }
    }
}
