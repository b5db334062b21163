//! The loader connections of a lane: lent to one chunk at a time, made anew where one broke.

use std::sync::Arc;
use std::time::Instant;

use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc};

use crate::load::{Entry, Gates, JudgedChunk, LoadError, Loader, Outcome, set_aside};
use crate::settings::{LoadSettings, PostgresSettings};

pub struct Loaders {
    postgres: PostgresSettings,
    load: LoadSettings,
    /// Of the whole process: a held target is held for every lane.
    gates: Arc<Gates>,
    /// For chunks that are set aside.
    pool: PgPool,
    idle: Mutex<mpsc::Receiver<Seat>>,
    give_back: mpsc::Sender<Seat>,
}

/// A place for one connection: empty until it is first used.
struct Seat {
    name: String,
    loader: Option<Loader>,
}

impl Loaders {
    /// `names` of the connections, one each, as `pg_stat_activity` shows them.
    pub fn new(
        postgres: &PostgresSettings,
        load: &LoadSettings,
        gates: Arc<Gates>,
        pool: PgPool,
        names: Vec<String>,
    ) -> Self {
        let (give_back, idle) = mpsc::channel(names.len().max(1));
        for name in names {
            let seated = give_back.try_send(Seat { name, loader: None });
            debug_assert!(seated.is_ok(), "the channel holds a place for each");
        }
        Self { postgres: postgres.clone(), load: load.clone(), gates, pool, idle: Mutex::new(idle), give_back }
    }

    /// Waits for the chunk's target and a connection, and loads the chunk once, in the order of asking. Where the target
    /// is at fault the chunk may be set aside without a connection.
    pub async fn load(&self, chunk: &JudgedChunk) -> Result<Outcome, LoadError> {
        let asked = Instant::now();
        let (pass, mut lent) = loop {
            let pass = match self.gates.enter(chunk, asked).await {
                Entry::Pass(pass) => pass,
                Entry::Aside(aside) => return set_aside(&self.pool, chunk, &aside).await,
            };
            let seat = self.idle.lock().await.recv().await.expect("this holds a sender");
            let lent = Lent { seat: Some(seat), give_back: &self.give_back };
            if !pass.is_stale() {
                break (pass, lent);
            }
        };
        let seat = lent.seat.as_mut().expect("given back only by the drop");
        if seat.loader.is_none() {
            seat.loader = Some(Loader::connect(&self.postgres, &self.load, &seat.name).await?);
        }
        seat.loader.as_mut().expect("made above").load(chunk, &pass).await
    }
}

/// Gives its seat back, also where the chunk is given up while it loads.
struct Lent<'l> {
    seat: Option<Seat>,
    give_back: &'l mpsc::Sender<Seat>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            // There is a place for each seat; only a closed channel refuses, and then nobody waits.
            let _ = self.give_back.try_send(seat);
        }
    }
}
