//! The loader connections of streams: each takes one batch at a time.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::FutureExt as _;
use tokio::sync::Semaphore;

use crate::chunk::Origin;
use crate::faults;
use crate::load::{Aside, Entry, Gates, JudgedBatch, LoadError, Loader, Outcome, Pass};
use crate::settings::{LoadSettings, PostgresSettings, Settings};
use crate::validate::{Panicked, place};

pub struct Loaders {
    gates: Arc<Gates>,
    /// As many as there are seats.
    turns: Semaphore,
    free: Mutex<Vec<Seat>>,
    postgres: PostgresSettings,
    load: LoadSettings,
}

/// A connection's name, and the connection where it has been made.
struct Seat {
    name: String,
    loader: Option<Loader>,
}

/// Why a batch is not loaded.
#[derive(Debug)]
pub enum Unloaded {
    ForNow(LoadError),
    /// Its target is at fault: it waits.
    Aside(Aside),
    Panicked(Panicked),
}

impl Loaders {
    pub fn new(settings: &Settings, gates: Arc<Gates>) -> Self {
        let count = settings.validate.loaders.max(1);
        let seat = |number| Seat { name: format!("fabric loader {}/s{number}", place()), loader: None };
        Self {
            gates,
            turns: Semaphore::new(count),
            free: Mutex::new((0..count).map(seat).collect()),
            postgres: settings.postgres.clone(),
            load: settings.load.clone(),
        }
    }

    /// Waits for the batch's target and a connection, and tries to load the batch once.
    pub async fn load(&self, batch: &JudgedBatch) -> Result<Outcome, Unloaded> {
        let pass = match self.gates.enter(&batch.feed, Origin::Publisher, Instant::now()).await {
            Entry::Pass(pass) => pass,
            Entry::Aside(aside) => return Err(Unloaded::Aside(aside)),
        };
        let turn = self.turns.acquire().await;
        let mut seat = self.free().pop().expect("there are as many turns as seats");
        let loaded = self.load_on(&mut seat, batch, &pass).await;
        self.free().push(seat);
        drop(turn);
        loaded
    }

    async fn load_on(&self, seat: &mut Seat, batch: &JudgedBatch, pass: &Pass) -> Result<Outcome, Unloaded> {
        let mut loader = match seat.loader.take() {
            Some(loader) => loader,
            None => Loader::connect(&self.postgres, &self.load, &seat.name).await.map_err(Unloaded::ForNow)?,
        };
        // After a panic what the connection was doing is unknown: a new one is made.
        let loading = async {
            if batch.verdict.accepted > 0 {
                faults::strike("loaded", batch.messages.payload());
            }
            loader.load(batch, pass).await
        };
        let loaded = AssertUnwindSafe(loading).catch_unwind().await;
        let outcome = loaded.map_err(|payload| Unloaded::Panicked(Panicked::of(payload.as_ref())))?;
        seat.loader = Some(loader);
        outcome.map_err(Unloaded::ForNow)
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Seat>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
