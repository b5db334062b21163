//! A member of the consumer group: takes chunk messages, judges them, hands them to loaders.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `consumer` | the group's partitions | deliveries, as long as their lane has room; finished ones into commits |
//! | `lane` | a delivery | a chunk that is loaded, or a dead letter |
//! | `judge` | an envelope and its job's plan | a judged chunk |
//! | `assignment` | what happens to deliveries | how far a partition may be committed |
//! | `custody` | a holder that ended without a word | chunks that are tried alone, and quarantined once they have killed three |
//!
//! A delivery counts as finished only when its fate is on disk: its transaction committed, its dead letter
//! acknowledged. Whatever is given up on the way comes again, and the ledger knows it.

mod ages;
mod assignment;
mod at_work;
mod attempts;
mod budget;
mod consumer;
mod custody;
mod dead_letters;
mod judge;
mod lane;
mod loaders;
mod member;
mod message;
mod plans;
mod pool;
mod proof;
mod quarantine;
mod ready;
mod rebalance;
mod suspicion;
mod watch;

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinError, JoinSet};

use crate::chunk::Lane;
use crate::config::Live;
use crate::load::Gates;
use crate::processes::{self, Tally};
use crate::settings::Settings;
use crate::shutdown::{self, Shutdown};
use crate::telemetry::Health;
use crate::topics;
pub(crate) use at_work::Leave;
pub(crate) use attempts::ATTEMPTS;
pub(crate) use budget::{Budget, Share};
pub(crate) use custody::{FAREWELL, draw_holder, take_over};
pub(crate) use member::{consumer_config, listed};
pub(crate) use pool::{Panicked, Pool};
pub(crate) use proof::read as proven_chunks;
pub(crate) use ready::place;
pub(crate) use rebalance::{Mailbox, Rebalance};

use attempts::Attempts;
use consumer::Intake;
use custody::Custody;
use dead_letters::DeadLetters;
use judge::Buffers;
use lane::{Delivered, LaneWorks, Shared};
use loaders::Loaders;
use plans::Plans;
use proof::Ledger;
use quarantine::Quarantine;
use watch::Watched;

/// Why a validator ends although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// In people's words.
    #[error("{0}")]
    Settings(String),
    #[error("the Postgres URL cannot be read: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("a Kafka client cannot be made: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("worker threads cannot be started: {0}")]
    Threads(String),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A defect of this program. Nothing is lost: another start goes on where the offsets stand.
    #[error("a part of the validator broke down ({0}); start it again: it goes on where it stood")]
    Broken(String),
}

/// Checks and loads chunks until `shutdown` is due; returns once what was in flight is finished or given up, the
/// offsets are committed and the group is left. Waits, and says so, while Kafka, its topics or Postgres are not there.
pub async fn run(
    settings: Settings,
    mut shutdown: Shutdown,
    health: Arc<Health>,
    live: Arc<Live>,
) -> Result<(), ValidateError> {
    topics::room_for_chunks(&settings.ingest).map_err(ValidateError::Settings)?;
    let service = Arc::clone(live.pool());
    let pool = service.pool().clone();
    let Some(partitions) = ready::wait(&settings, &pool, &mut shutdown, &health).await else { return Ok(()) };

    let runtime = tokio::runtime::Handle::current();
    let custody = Arc::new(Custody::new(Arc::clone(&service), &settings.postgres, runtime.clone())?);
    let shared = Arc::new(Shared {
        buffers: Buffers::default(),
        plans: Plans::new(Arc::clone(&service), &settings.postgres, Arc::clone(live.cache())),
        dead_letters: DeadLetters::new(&settings, pool.clone())?,
        attempts: Attempts::new(Arc::clone(&custody)),
        quarantine: Quarantine { pool: pool.clone(), postgres: settings.postgres.clone() },
        tally: Arc::new(Tally::default()),
    });
    let gates = Arc::new(Gates::default());
    let works = |lane| works(&settings, lane, loaders(&settings, lane, gates.clone(), pool.clone()), shared.clone());
    let works = [works(Lane::Normal)?, works(Lane::High)?];

    let (deliver, delivered) = mpsc::unbounded_channel();
    let (trigger, stop) = shutdown::channel();
    let ledger = Ledger { pool: Arc::clone(&service), postgres: settings.postgres.clone(), runtime, custody };
    let watched = Watched::new();
    let watching = watch::run(Arc::clone(&watched), service, settings.clone(), Arc::clone(&health));
    let watching = tokio::spawn(watching);
    let tally = Arc::clone(&shared.tally);
    tally.follows(&live);
    let intake =
        Intake { settings, shutdown: stop, ledger, deliver, partitions, watched, health, tally: Arc::clone(&tally) };
    let thread = std::thread::Builder::new()
        .name("fabric-consumer".into())
        .spawn(move || consumer::run(&intake))
        .map_err(|error| ValidateError::Threads(error.to_string()))?;

    let announcement = processes::announce(&pool, processes::Role::Validate, tally);
    let outcome = work(works, delivered, shutdown, trigger).await;
    announcement.end().await;
    // The channel is closed, so the thread is at its last line: joining it takes no time.
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    watching.abort();
    match joined {
        Ok(Ok(())) => outcome,
        _ => Err(ValidateError::Broken("the polling thread panicked".into())),
    }
}

/// Works on deliveries, each in a task of its own, until the polling thread has ended.
async fn work(
    works: [Arc<LaneWorks>; 2],
    mut delivered: UnboundedReceiver<Delivered>,
    mut shutdown: Shutdown,
    trigger: shutdown::Trigger,
) -> Result<(), ValidateError> {
    let mut tasks = JoinSet::new();
    let mut outcome = Ok(());
    let mut asked = false;
    loop {
        tokio::select! {
            next = delivered.recv() => {
                let Some(next) = next else { break };
                let works = Arc::clone(&works[next.ticket.assignment.lane as usize]);
                tasks.spawn(async move { works.handle(next).await });
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(broken) = ended.map_err(broken) {
                    outcome = Err(broken);
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

fn broken(error: JoinError) -> ValidateError {
    ValidateError::Broken(error.to_string())
}

/// Workers and loaders of one lane: the high one has its own, so that a backlog of normal chunks never delays it.
fn works(
    settings: &Settings,
    lane: Lane,
    loaders: Loaders,
    shared: Arc<Shared>,
) -> Result<Arc<LaneWorks>, ValidateError> {
    let validate = &settings.validate;
    let (workers, thread_name) = match lane {
        Lane::Normal => (validate.workers, "judge"),
        Lane::High => (validate.high_workers, "judge-high"),
    };
    let pool = Pool::new(thread_name, workers).map_err(|error| ValidateError::Threads(error.to_string()))?;
    Ok(Arc::new(LaneWorks { pool, loaders, shared }))
}

fn loaders(settings: &Settings, lane: Lane, gates: Arc<Gates>, pool: PgPool) -> Loaders {
    let connections = match lane {
        Lane::Normal => settings.validate.loaders,
        Lane::High => settings.validate.high_loaders,
    };
    let place = ready::place();
    let names = (0..connections.max(1)).map(|number| format!("fabric loader {place}/{}{number}", &lane.as_str()[..1]));
    Loaders::new(&settings.postgres, &settings.load, gates, pool, names.collect())
}
