//! An independent reader: what went in, what came out, and whether everything came to rest. It shares no code with the
//! program: it splits, judges and adds up by itself, and asks Postgres and Kafka in its own words.

mod events;
mod files;
mod judge;
mod ledger;
mod left;
mod log;
mod rest;
mod streams;

use std::fmt::{self, Display, Formatter};

use sqlx::{Connection as _, PgConnection};

use crate::world::{Published, World};
pub use log::partitions;
pub use rest::{Rest, ends};

/// What a run must not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A record that is neither a row nor a reject.
    Lost,
    /// A record that is more than one of them, or one that nobody sent.
    Doubled,
    /// A record that is not what it should be.
    Wrong,
    /// Figures, positions, states or events that do not fit what happened.
    Unaccounted,
    /// Something that does not come to rest.
    Stuck,
    /// A lock, connection, note or process that should be gone.
    Left,
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Lost => "lost",
            Kind::Doubled => "doubled",
            Kind::Wrong => "wrong",
            Kind::Unaccounted => "unaccounted",
            Kind::Stuck => "stuck",
            Kind::Left => "left behind",
        };
        write!(f, "{kind}: {}", self.words)
    }
}

/// What was found, and how much there was.
#[derive(Debug, Default)]
pub struct Reading {
    pub records: u64,
    pub rows: u64,
    pub rejects: u64,
    /// Records that are neither.
    pub lost: u64,
    /// Rows and rejects that are one too many.
    pub doubled: u64,
    /// Of the amounts of records that are rows: as they were sent, and as they stand in Postgres. In cents.
    pub cents_sent: i128,
    pub cents_loaded: i128,
    pub findings: Vec<Finding>,
}

impl Reading {
    pub fn find(&mut self, kind: Kind, words: impl Into<String>) {
        self.findings.push(Finding { kind, words: words.into() });
    }
}

/// Reads everything, once nobody works any more.
pub async fn read(world: &World, published: &[Published], reading: &mut Reading) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&world.installation.database.settings.url).await?;
    files::read(world, published, &mut connection, reading).await?;
    for stream in 0..world.scenario.streams.len() {
        streams::read(world, stream, &mut connection, reading).await?;
    }
    if reading.cents_sent != reading.cents_loaded {
        let (sent, loaded) = (reading.cents_sent, reading.cents_loaded);
        reading.find(Kind::Wrong, format!("{sent} cents were accepted and {loaded} are in Postgres"));
    }
    events::read(world, published, &mut connection, reading).await?;
    left::read(&mut connection, &world.ended_in_order(), reading).await?;
    connection.close().await?;
    Ok(())
}

/// Tells some findings of one thing and counts the rest.
pub struct Told<'n> {
    pub name: &'n str,
    count: usize,
    last: Option<Kind>,
}

impl<'n> Told<'n> {
    const MOST: usize = 5;

    pub fn of(name: &'n str) -> Self {
        Self { name, count: 0, last: None }
    }

    pub fn find(&mut self, reading: &mut Reading, kind: Kind, words: String) {
        match kind {
            Kind::Lost => reading.lost += 1,
            Kind::Doubled => reading.doubled += 1,
            _ => {}
        }
        self.count += 1;
        self.last = Some(kind);
        if self.count <= Self::MOST {
            reading.find(kind, format!("{}, {words}", self.name));
        }
    }

    pub fn rest(&self, reading: &mut Reading) {
        if let Some(kind) = self.last
            && self.count > Self::MOST
        {
            reading.find(kind, format!("{}: {} such findings in all", self.name, self.count));
        }
    }
}
