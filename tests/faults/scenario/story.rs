//! A scenario in words.

use std::fmt::{self, Display, Formatter};

use super::{
    Act, Armed, Blow, By, Clock, Death, Fault, Job, Killer, Lane, Pace, Producing, Protocol, Scenario, Server,
};
use super::{Stream, Trouble, Wait, Who};
use crate::feeds::Keys;

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validator(number) => write!(f, "validator {}", number + 1),
            Self::Steward(number) => write!(f, "steward {}", number + 1),
            Self::Publisher(job) => write!(f, "the publisher of file {}", job + 1),
        }
    }
}

impl Display for Server {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka => "Kafka",
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
        })
    }
}

impl Display for Blow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("is killed"),
            Self::Stop => f.write_str("freezes"),
            Self::Sleep(millis) => write!(f, "sleeps {}", seconds(u64::from(*millis))),
            Self::Panic => f.write_str("panics"),
            Self::Error => f.write_str("meets an error"),
        }
    }
}

impl Display for Armed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { who, life, point, passes, blow, times } = self;
        let life = if *life == 0 { String::new() } else { format!(", started for the {}. time,", life + 1) };
        let times = if *times > 1 { format!(", {times} times") } else { String::new() };
        write!(f, "{who}{life} {blow} at {point} once it has passed it {passes} times{times}")
    }
}

pub(super) fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed { who, back } => write!(f, "{who} is killed, and back after {}", seconds(*back)),
            Self::KilledLoading { who, back } => {
                write!(f, "{who} is killed in mid-transaction, and back after {}", seconds(*back))
            }
            Self::Leaves { who, back } => write!(f, "{who} is told to end, and back after {}", seconds(*back)),
            Self::Frozen { who, lasting } => write!(f, "{who} is frozen for {}", seconds(*lasting)),
            Self::FrozenLoading { who, lasting } => {
                write!(f, "{who} is frozen in mid-transaction for {}", seconds(*lasting))
            }
            Self::Abandoned { who } => write!(f, "{who} is frozen in mid-transaction until the end"),
            Self::Joins { who } => write!(f, "{who} joins"),
            Self::PostgresKilled { back } => write!(f, "Postgres is killed, and back after {}", seconds(*back)),
            Self::PostgresRestarted => f.write_str("Postgres is restarted"),
            Self::KafkaRestarted => f.write_str("Kafka is restarted"),
            Self::RedisRestarted => f.write_str("Redis is restarted"),
            Self::RedisFlushed => f.write_str("Redis is flushed"),
            Self::SessionsEnded => f.write_str("Postgres ends every session of fabric's"),
            Self::DatabaseClosed { lasting } => write!(f, "the database admits nobody for {}", seconds(*lasting)),
            Self::ConnectionsTaken { lasting } => {
                write!(f, "others take all connections of Postgres for {}", seconds(*lasting))
            }
            Self::Restored => f.write_str("Postgres is restored to what was kept, and fabric recover puts it in order"),
            Self::DiskFull { lasting } => {
                write!(f, "the disk under the target of files stays full for {}", seconds(*lasting))
            }
            Self::TargetGone { lasting } => write!(f, "the target of files is away for {}", seconds(*lasting)),
            Self::TargetLocked { lasting } => write!(f, "the target of files is locked for {}", seconds(*lasting)),
            Self::RightRevoked { lasting } => {
                write!(f, "the right to insert into the target of files is away for {}", seconds(*lasting))
            }
            Self::LanePartitions { high } => {
                write!(f, "the {} lane gets more partitions", if *high { "high" } else { "normal" })
            }
            Self::StreamPartitions { stream } => write!(f, "stream {} gets more partitions", stream + 1),
            Self::StreamPaused { stream, lasting } => {
                write!(f, "stream {} is paused for {}", stream + 1, seconds(*lasting))
            }
            Self::Network { who, server, trouble, lasting } => {
                let lasting = seconds(*lasting);
                match trouble {
                    Trouble::Cut => write!(f, "{who} is cut off from {server} for {lasting}"),
                    Trouble::Refused => write!(f, "{who} is refused by {server} for {lasting}"),
                    Trouble::Slow(rate) => write!(f, "{who} gets {rate} bytes/s to and from {server} for {lasting}"),
                    Trouble::Reset(bytes) => {
                        write!(f, "each connection of {who} to {server} is reset after {bytes} bytes, for {lasting}")
                    }
                    Trouble::AnswersLost => write!(f, "{who} hears no answer of {server} for {lasting}, then is reset"),
                    Trouble::HalfOpen => write!(f, "the connections of {who} to {server} are dead and nobody says so"),
                }
            }
        }
    }
}

impl Display for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(job) => write!(f, "file {} is published", job + 1),
            Self::Cancel(job) => write!(f, "the job of file {} is cancelled", job + 1),
            Self::ActivateFiles => f.write_str("the other version of the feed of files becomes active"),
            Self::ActivateStream(stream) => {
                write!(f, "the other version of the feed of stream {} becomes active", stream + 1)
            }
            Self::Keep => f.write_str("the database as it is now is kept"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millis(millis) => write!(f, "{} later", seconds(*millis)),
            Self::Loaded(count) => write!(f, "{count} loads later"),
        }
    }
}

impl Display for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lane = if self.lane == Lane::High { ", in the high lane" } else { "" };
        let by = match self.by {
            By::Ingest => "by fabric ingest",
            By::Resuming => "by fabric ingest, and --resume where that is cut short",
            By::Twice => "by two fabric ingest at once",
            By::Hostile => "by a program that repeats, reorders and forges chunks",
        };
        write!(f, "{} records in chunks of {} bytes{lane}, {by}", self.file.records, self.chunk)
    }
}

impl Display for Stream {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let producing = match self.producing {
            Producing::Plain => "",
            Producing::Transactions => ", in transactions of which some are taken back",
        };
        let Self { messages, form, partitions, .. } = self;
        write!(f, "{messages} messages ({}) on {partitions} partitions{producing}", form.word())
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pace = if self.size.pace == Pace::Quick { "short timeouts" } else { "fabric's own timeouts" };
        let protocol = if self.protocol == Protocol::Classic { "classic groups" } else { "groups of KIP-848" };
        let keys = if self.keys == Keys::Unique { ", ids of files are unique" } else { "" };
        writeln!(f, "seed {}: {pace}, {protocol}{keys}", self.seed)?;
        let (validators, stewards) = (self.validators, self.stewards);
        let patience = self.patience_of_commands;
        writeln!(
            f,
            "  {validators} validators and {stewards} stewards beside them; commands wait {patience} s for servers"
        )?;
        for (number, job) in self.jobs.iter().enumerate() {
            writeln!(f, "  file {}: {job}", number + 1)?;
        }
        for (number, stream) in self.streams.iter().enumerate() {
            writeln!(f, "  stream {}: {stream}", number + 1)?;
        }
        for (who, clock) in &self.clocks {
            writeln!(
                f,
                "  {who} has a clock that is three hours {}",
                if *clock == Clock::Fast { "fast" } else { "slow" }
            )?;
        }
        for armed in &self.armed {
            writeln!(f, "  {armed}")?;
        }
        if let Some(Killer { job, record, death }) = self.killer {
            let dies = if death == Death::Abort { "the process of whoever" } else { "whoever" };
            writeln!(f, "  {dies} judges record {} of file {} dies, until a mended release runs", record + 1, job + 1)?;
        }
        for step in &self.steps {
            writeln!(f, "  {}: {}", step.wait, step.act)?;
        }
        Ok(())
    }
}
