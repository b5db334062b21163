//! The loader connections of a lane: each takes chunks that wait, several of one feed at once, and answers for each.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::FutureExt as _;
use sqlx::PgPool;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::pool::Panicked;
use crate::faults;
use crate::load::{Entry, Gates, JudgedChunk, LoadError, Loader, Outcome, Pass, set_aside};
use crate::settings::{LoadSettings, PostgresSettings};
use crate::telemetry::catalog::{POOL_ACQUIRE, POOL_CONNECTIONS, POOL_IN_USE, POOL_WAITING, STAGE};
use crate::telemetry::{Set, sample};

/// Of the metrics of pools.
const LOADERS: &str = "loaders";

/// Loaders at work, and the chunks that wait for them.
pub struct Loaders {
    /// Of the whole process: a held target is held for every lane.
    gates: Arc<Gates>,
    /// For chunks that are set aside.
    pool: PgPool,
    queue: Arc<Queue>,
    /// Dropped with this: a transaction in flight is rolled back with its connection.
    _at_work: JoinSet<()>,
}

struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Rung for each chunk that begins to wait.
    bell: Notify,
    loaders: usize,
    /// Chunks in one transaction, at most.
    together: usize,
    connected: AtomicUsize,
    busy: AtomicUsize,
}

/// Why a chunk is not loaded.
#[derive(Debug, Clone)]
pub enum Unloaded {
    ForNow(LoadError),
    /// It killed its loader.
    Panicked(Panicked),
}

struct Waiting {
    chunk: Arc<JudgedChunk>,
    pass: Pass,
    /// `None`: the target has been found at fault meanwhile, the chunk is to ask its gate again.
    tell: oneshot::Sender<Option<Result<Outcome, Unloaded>>>,
    since: Instant,
}

impl Loaders {
    /// `names` of the connections, one each, as `pg_stat_activity` shows them. They connect when there is work.
    pub fn new(
        postgres: &PostgresSettings,
        load: &LoadSettings,
        gates: Arc<Gates>,
        pool: PgPool,
        names: Vec<String>,
    ) -> Self {
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            bell: Notify::new(),
            loaders: names.len(),
            together: load.together,
            connected: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
        });
        sample(&queue, Queue::tell);
        let mut at_work = JoinSet::new();
        for name in names {
            let seat = Seat { loader: None, postgres: postgres.clone(), load: load.clone(), name };
            at_work.spawn(work(Arc::clone(&queue), seat));
        }
        Self { gates, pool, queue, _at_work: at_work }
    }

    /// Waits for the chunk's target and a connection, and loads the chunk once, in the order of asking, but for what one
    /// transaction takes along. Where the target is at fault the chunk may be set aside without a connection.
    pub async fn load(&self, chunk: &Arc<JudgedChunk>) -> Result<Outcome, Unloaded> {
        let asked = Instant::now();
        loop {
            let pass = match self.gates.enter(&chunk.feed, chunk.origin, asked).await {
                Entry::Pass(pass) => pass,
                Entry::Aside(aside) => {
                    return set_aside(&self.pool, chunk, &aside).await.map_err(Unloaded::ForNow);
                }
            };
            let (tell, told) = oneshot::channel();
            self.queue.lock().push_back(Waiting { chunk: Arc::clone(chunk), pass, tell, since: Instant::now() });
            self.queue.bell.notify_one();
            if let Some(answer) = told.await.expect("a loader answers for each chunk that it takes") {
                return answer;
            }
        }
    }
}

/// One connection's work, for ever.
async fn work(queue: Arc<Queue>, mut seat: Seat) {
    loop {
        let taken = queue.next().await;
        let chunks: Vec<&JudgedChunk> = taken.iter().map(|waiting| waiting.chunk.as_ref()).collect();
        let pass = &taken[0].pass;
        let answers = match seat.load(&queue, &chunks, pass).await {
            Ok(answers) => answers,
            Err(panicked) if chunks.len() == 1 => vec![Err(Unloaded::Panicked(panicked))],
            // One of them is to blame: each shows for itself.
            Err(_) => {
                let mut answers = Vec::with_capacity(chunks.len());
                for chunk in &chunks {
                    let alone = seat.load(&queue, std::slice::from_ref(chunk), pass).await;
                    answers.extend(alone.unwrap_or_else(|panicked| vec![Err(Unloaded::Panicked(panicked))]));
                }
                answers
            }
        };
        for (Waiting { chunk, pass, tell, .. }, answer) in taken.into_iter().zip(answers) {
            drop((chunk, pass));
            // Nobody listens where the chunk was given up meanwhile.
            let _ = tell.send(Some(answer));
        }
    }
}

/// Where a loader works. After a panic it is taken by a new one: what the first was doing is unknown.
struct Seat {
    loader: Option<Loader>,
    postgres: PostgresSettings,
    load: LoadSettings,
    name: String,
}

impl Seat {
    /// Answers for each chunk, in their order.
    async fn load(
        &mut self,
        queue: &Queue,
        chunks: &[&JudgedChunk],
        pass: &Pass,
    ) -> Result<Vec<Result<Outcome, Unloaded>>, Panicked> {
        let mut loader = match self.loader.take() {
            Some(loader) => loader,
            None => match Loader::connect(&self.postgres, &self.load, &self.name).await {
                Ok(loader) => {
                    queue.connected.fetch_add(1, Ordering::Relaxed);
                    loader
                }
                Err(error) => return Ok(vec![Err(Unloaded::ForNow(error)); chunks.len()]),
            },
        };
        let loading = async {
            chunks.iter().for_each(|chunk| faults::strike("loaded", &chunk.chunk.payload));
            loader.load_all(chunks, pass).await
        };
        let answers = match queue.timed(AssertUnwindSafe(loading).catch_unwind()).await {
            Ok(answers) => answers,
            Err(payload) => {
                queue.connected.fetch_sub(1, Ordering::Relaxed);
                return Err(Panicked::of(payload.as_ref()));
            }
        };
        self.loader = Some(loader);
        Ok(answers.into_iter().map(|answer| answer.map_err(Unloaded::ForNow)).collect())
    }
}

impl Waiting {
    fn ask_again(self) {
        drop(self.pass);
        // Nobody listens where the chunk was given up meanwhile.
        let _ = self.tell.send(None);
    }
}

impl Queue {
    /// Counts a connection as busy, and how long it was.
    async fn timed<T>(&self, load: impl Future<Output = T>) -> T {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let loaded = load.await;
        STAGE.observe(&["load"], began.elapsed());
        self.busy.fetch_sub(1, Ordering::Relaxed);
        loaded
    }

    async fn next(&self) -> Vec<Waiting> {
        loop {
            let rung = self.bell.notified();
            let taken = self.take();
            if !taken.is_empty() {
                return taken;
            }
            rung.await;
        }
    }

    /// The chunk that has waited longest, and others of its feed version: no more than this connection's share of what
    /// waits, so that the others are not left idle. By identity, so that no two transactions wait for each other.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        waiting.retain(|waiting| !waiting.tell.is_closed());
        if waiting.iter().any(|waiting| waiting.pass.is_stale()) {
            let (stale, sound) = std::mem::take(&mut *waiting).into_iter().partition(|waiting| waiting.pass.is_stale());
            *waiting = sound;
            Vec::from(stale).into_iter().for_each(Waiting::ask_again);
        }
        let share = waiting.len().div_ceil(self.loaders).min(self.together);
        let mut taken: Vec<Waiting> = Vec::with_capacity(share);
        let mut at = 0;
        while taken.len() < share && at < waiting.len() {
            let fits = taken.first().is_none_or(|first| Arc::ptr_eq(&first.chunk.feed, &waiting[at].chunk.feed));
            match fits.then(|| waiting.remove(at)).flatten() {
                Some(next) => taken.push(next),
                None => at += 1,
            }
        }
        for waited in &taken {
            STAGE.observe(&["load_wait"], waited.since.elapsed());
            POOL_ACQUIRE.observe(&[LOADERS], waited.since.elapsed());
        }
        taken.sort_by_key(|waiting| (waiting.chunk.job, waiting.chunk.chunk.seq));
        // A bell that rang while nobody listened is heard once; another connection may be asleep beside more work.
        if !waiting.is_empty() {
            self.bell.notify_one();
        }
        taken
    }

    fn tell(&self, set: &mut Set<'_>) {
        set(&POOL_CONNECTIONS, &[LOADERS], self.connected.load(Ordering::Relaxed) as f64);
        set(&POOL_IN_USE, &[LOADERS], self.busy.load(Ordering::Relaxed) as f64);
        set(&POOL_WAITING, &[LOADERS], self.lock().len() as f64);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
