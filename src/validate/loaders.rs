//! The loader connections of a lane: lent to one chunk at a time, made anew where one broke.

use tokio::sync::{Mutex, mpsc};

use crate::load::{JudgedChunk, LoadError, Loader, Outcome};
use crate::settings::{LoadSettings, PostgresSettings};

pub struct Loaders {
    postgres: PostgresSettings,
    load: LoadSettings,
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
    pub fn new(postgres: &PostgresSettings, load: &LoadSettings, names: Vec<String>) -> Self {
        let (give_back, idle) = mpsc::channel(names.len().max(1));
        for name in names {
            let seated = give_back.try_send(Seat { name, loader: None });
            debug_assert!(seated.is_ok(), "the channel holds a place for each");
        }
        Self { postgres: postgres.clone(), load: load.clone(), idle: Mutex::new(idle), give_back }
    }

    /// Waits for a connection and loads the chunk once. In the order of asking.
    pub async fn load(&self, chunk: &JudgedChunk) -> Result<Outcome, LoadError> {
        let seat = self.idle.lock().await.recv().await.expect("this holds a sender");
        let mut lent = Lent { seat: Some(seat), give_back: &self.give_back };
        let seat = lent.seat.as_mut().expect("given back only by the drop");
        if seat.loader.is_none() {
            seat.loader = Some(Loader::connect(&self.postgres, &self.load, &seat.name).await?);
        }
        seat.loader.as_mut().expect("made above").load(chunk).await
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
