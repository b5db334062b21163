//! Record topics: takes messages in batches, judges them, and loads each exactly once, fenced by the position of its
//! partition in Postgres.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `known` | feeds that are active | the streams that there are, and their topics |
//! | `consumer` | the partitions of the group `fabric.streams` | batches; finished ones into commits |
//! | `gathering` | messages | a batch, once it has enough records or bytes, or is old enough |
//! | `opening` | a partition that is this member's | the offset at which it begins: Postgres' position |
//! | `schemas` | the schemas that a batch's messages name | how each is read |
//! | `works` | a batch | a judged one, in Postgres |
//! | `custody` `suspicion` | a holder that ended without a word | records that are tried alone; one that kills is a reject |
//! | `change` `query` | what people ask | positions and states in Postgres, audited |
//!
//! Kafka's offsets are committed after the database, for those who look at lag: nothing is ever begun at them.

mod change;
mod consumer;
mod custody;
mod gathering;
mod known;
mod lag;
mod loaders;
mod opening;
mod partition;
mod plans;
mod positions;
mod query;
mod rejects;
mod rest;
mod schemas;
mod suspicion;
mod works;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tracing::info;

use crate::config::Live;
use crate::kafka;
use crate::load::Gates;
use crate::postgres;
use crate::processes::{self, Tally};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::shutdown::{self, Shutdown};
use crate::telemetry::{Health, Part};
use crate::validate::{Pool, ValidateError};

pub use change::{ChangeError, Moved, Seek, accept_gap, pause, resume, seek};
pub use query::{PartitionSummary, StreamSummary, WindowSummary, list, show};
pub use rejects::{StreamReject, rejects};
pub(crate) use rest::lock_of;

use consumer::Intake;
use custody::Custody;
use known::Streams;
use lag::Lag;
use loaders::Loaders;
use opening::Opener;
use partition::Closed;
use plans::Plans;
use schemas::Schemas;
use works::Works;

/// Between two looks at what else the process needs, where no lanes are consumed beside.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What else the process consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// It is announced, and its health is told, by those who consume the lanes.
    Lanes,
    Nothing,
}

/// Loads streams until `shutdown` is due; returns once what was in flight is finished or given up, offsets are committed
/// and the group is left. Waits, and says so, while Kafka, Postgres or a topic are not there.
pub async fn run(
    settings: Settings,
    shutdown: Shutdown,
    health: Arc<Health>,
    live: Arc<Live>,
    beside: Beside,
) -> Result<(), ValidateError> {
    let pool = live.pool().pool().clone();
    let tally = Arc::new(Tally::default());
    let told = match beside {
        Beside::Lanes => None,
        Beside::Nothing => {
            tally.follows(&live);
            let announcement = processes::announce(&pool, processes::Role::Validate, Arc::clone(&tally));
            Some((announcement, tokio::spawn(tell(settings.clone(), Arc::clone(&live), Arc::clone(&health)))))
        }
    };
    let plans = Arc::new(Plans::new(Arc::clone(live.cache())));
    let streams = Streams::new(pool.clone(), settings.postgres.clone(), Arc::clone(&plans));
    let looking = tokio::spawn(Arc::clone(&streams).run());
    let outcome = consume(&settings, shutdown, health, &live, plans, Arc::clone(&streams), tally).await;
    looking.abort();
    if let Some((announcement, telling)) = told {
        telling.abort();
        announcement.end().await;
    }
    outcome
}

async fn consume(
    settings: &Settings,
    mut shutdown: Shutdown,
    health: Arc<Health>,
    live: &Arc<Live>,
    plans: Arc<Plans>,
    streams: Arc<Streams>,
    tally: Arc<Tally>,
) -> Result<(), ValidateError> {
    // A member without a topic would only make the group's rebalances longer.
    tokio::select! {
        () = streams.some() => {}
        () = shutdown.due() => return Ok(()),
    }
    let pool = live.pool().pool().clone();
    let judges = Pool::new("judge-stream", settings.validate.workers);
    let judges = judges.map_err(|error| ValidateError::Threads(error.to_string()))?;
    let loaders = Loaders::new(settings, Arc::new(Gates::default()));
    let registry = Registry::new(settings, live.redis().cloned());
    let registry = registry.map_err(|error| ValidateError::Settings(error.to_string()))?;
    let noting = tokio::spawn(note(registry.clone(), Arc::clone(&health)));
    let schemas = Schemas::new(pool.clone(), registry);
    let runtime = tokio::runtime::Handle::current();
    let custody = Custody::new(pool.clone(), runtime.clone())?;
    let opener = Opener::new(pool.clone(), settings.clone(), custody)?;
    let lag = tokio::spawn(Lag::new(pool.clone(), Arc::clone(&opener)).watch());
    let works = Arc::new(Works { judges, loaders, plans, schemas, opener: Arc::clone(&opener), tally, pool });
    let watching = tokio::spawn(Arc::clone(&opener).watch());
    let (deliver, delivered) = mpsc::unbounded_channel();
    let (trigger, stop) = shutdown::channel();
    let intake = Intake { settings: settings.clone(), shutdown: stop, streams, opener, deliver, runtime, health };
    let thread = std::thread::Builder::new()
        .name("fabric-streams".into())
        .spawn(move || consumer::run(&intake))
        .map_err(|error| ValidateError::Threads(error.to_string()))?;
    let outcome = work(works, delivered, shutdown, trigger).await;
    // The channel is closed, so the thread is at its last line.
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    watching.abort();
    noting.abort();
    lag.abort();
    match joined {
        Ok(Ok(())) => outcome,
        _ => Err(ValidateError::Broken("the polling thread of streams panicked".into())),
    }
}

/// Works on batches, each in a task of its own, until the polling thread has ended.
async fn work(
    works: Arc<Works>,
    mut delivered: UnboundedReceiver<Closed>,
    mut shutdown: Shutdown,
    trigger: shutdown::Trigger,
) -> Result<(), ValidateError> {
    let mut tasks = JoinSet::new();
    let mut outcome = Ok(());
    let mut asked = false;
    loop {
        tokio::select! {
            next = delivered.recv() => {
                let Some(batch) = next else { break };
                let works = Arc::clone(&works);
                tasks.spawn(async move { works.handle(batch).await });
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(broken) = ended {
                    outcome = Err(ValidateError::Broken(broken.to_string()));
                    trigger.fire();
                }
            }
            () = shutdown.due(), if !asked => {
                asked = true;
                trigger.fire();
            }
        }
    }
    // Given up: a transaction in flight is rolled back with its connection.
    tasks.shutdown().await;
    outcome
}

/// Has readiness say what is wrong with the schema registry. It keeps nobody from being ready: streams without it go on.
async fn note(registry: Option<Arc<Registry>>, health: Arc<Health>) {
    let Some(registry) = registry else { return };
    loop {
        health.note("schemaRegistry", registry.note());
        registry.sweep().await;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Tells of Postgres and Kafka where nobody else does.
async fn tell(settings: Settings, live: Arc<Live>, health: Arc<Health>) {
    let mut said = false;
    loop {
        let asked = async {
            postgres::check_migrated(live.pool().pool()).await.map_err(|error| (Part::Postgres, error.to_string()))?;
            health.well(Part::Postgres);
            let kafka = kafka::wait_until_answers(&settings.kafka, Duration::ZERO, |_| {}).await;
            kafka.map_err(|error| (Part::Kafka, error.to_string()))?;
            health.well(Part::Kafka);
            // Streams that wait for their partitions say so in `fabric streams list`.
            health.well(Part::Partitions);
            Ok::<_, (Part, String)>(())
        };
        match asked.await {
            Ok(()) if !std::mem::replace(&mut said, true) => info!("everything answers now"),
            Ok(()) => {}
            Err((part, reason)) => health.ill(part, reason),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
