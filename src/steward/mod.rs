//! The elected loop that turns ledger rows into job states and publishes the outbox.
//!
//! Any number of processes stand for election; one leads. It writes on the connection that holds its seat, so a
//! leader that has lost its seat can write nothing, and never waits for Kafka on it.

mod election;
mod live;
mod lost;
mod outbox;
mod owed;
mod partitions;
mod round;
mod standing;
mod summary;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::config::{Known, Live};
use crate::faults;
use crate::retry::Waits;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry::catalog::ROUND;
use crate::telemetry::{Health, Part};
use round::Pace;

pub use election::{SEAT, Seat};

/// What ends a steward for good; whatever may pass is retried.
#[derive(Debug, thiserror::Error)]
pub enum StewardError {
    #[error("FABRIC_POSTGRES_URL cannot be read: {0}")]
    Url(sqlx::Error),
    #[error("no Kafka producer can be made of these settings: {0}")]
    Kafka(rdkafka::error::KafkaError),
}

/// Between two tries of a candidate. Jittered by [`Waits`].
const CANDIDATE_WAIT: Duration = Duration::from_millis(700);
/// Between two rounds while no job is live: also the heartbeat that keeps the seat.
const IDLE_WAIT: Duration = Duration::from_millis(800);
/// Between two rounds while a job is about to end: a load of a second should not wait a fifth of one to be told of.
const ENDING_WAIT: Duration = Duration::from_millis(20);
/// Between two looks for config events, which processes wait for: of an index that is empty as a rule.
const CONFIG_LOOK: Duration = Duration::from_millis(30);
/// A round that takes longer talks to a server that does not answer: it gives up the connection.
const ROUND_LIMIT: Duration = Duration::from_secs(20);

/// Stands for election, leads when elected, and stands again when the seat is lost, until `shutdown` is due.
/// `health` hears whether it leads or stands.
/// `live`: what the process knows of the config topic, which a leader mends.
pub async fn run(
    settings: Settings,
    mut shutdown: Shutdown,
    health: Arc<Health>,
    live: Arc<Live>,
) -> Result<(), StewardError> {
    crate::postgres::connect_options(&settings.postgres, "fabric steward").map_err(StewardError::Url)?;
    let mut outbox = outbox::Outbox::start(&settings.kafka).map_err(StewardError::Kafka)?;
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(5));
    let standing = standing::Standing::new();
    loop {
        let term = async {
            let seat = win(&settings, &health).await?;
            waits.reset();
            tracing::info!("leads as steward");
            faults::step("steward.elected").await;
            standing.leads();
            // Whatever the topic lacks is found once Postgres has been read.
            live.look_again();
            let rounds = round::Rounds::new(&settings, standing.clone());
            lead(seat, rounds, &settings, (&mut outbox, live.known()), &health).await
        };
        let ended = tokio::select! {
            ended = term => ended,
            () = shutdown.due() => return Ok(()),
        };
        outbox.stop();
        standing.leads_no_more();
        // The loop of a leader never ends but by an error.
        if let Err(error) = ended {
            let error = crate::postgres::describe(&error, &settings.postgres);
            health.ill(Part::Steward, error.clone());
            tracing::warn!(error, "the steward has no connection; it stands for election again");
        }
        tokio::select! {
            () = sleep(waits.next_wait()) => {}
            () = shutdown.due() => return Ok(()),
        }
    }
}

/// Returns once this process holds the seat.
async fn win(settings: &Settings, health: &Health) -> Result<Seat, sqlx::Error> {
    let mut candidate = election::Candidate::connect(&settings.postgres).await?;
    let mut waits = Waits::new(CANDIDATE_WAIT, CANDIDATE_WAIT);
    loop {
        match timeout(ROUND_LIMIT, candidate.stand()).await.map_err(|_| silent())?? {
            election::Vote::Won(seat) => return Ok(seat),
            election::Vote::Taken(again) => candidate = again,
        }
        health.well(Part::Steward);
        sleep(waits.next_wait()).await;
    }
}

/// Works round by round; returns with the error that cost the seat.
async fn lead(
    mut seat: Seat,
    mut rounds: round::Rounds,
    settings: &Settings,
    (outbox, known): (&mut outbox::Outbox, &Known),
    health: &Health,
) -> Result<(), sqlx::Error> {
    loop {
        let began = Instant::now();
        let work = async {
            faults::statement("steward.round", seat.connection()).await?;
            let pace = rounds.work(seat.connection()).await?;
            let owed = known.owed_to_topic();
            if !owed.is_empty() {
                outbox::Outbox::tell_again(seat.connection(), &owed).await?;
            }
            outbox.work(seat.connection()).await?;
            Ok::<_, sqlx::Error>(pace)
        };
        let pace = timeout(ROUND_LIMIT, work).await.map_err(|_| silent())??;
        health.well(Part::Steward);
        ROUND.observe(&[], began.elapsed());
        // Long sums make rounds rarer; the seat's timeout bounds how rare.
        let wait = match pace {
            Pace::Idle => IDLE_WAIT,
            Pace::Working => settings.steward.interval.max(began.elapsed()).min(IDLE_WAIT),
            Pace::Ending => ENDING_WAIT.max(5 * began.elapsed()).min(settings.steward.interval),
        };
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            sleep(CONFIG_LOOK.min(left)).await;
            if left <= CONFIG_LOOK {
                break;
            }
            let looked = outbox.work_on_config(seat.connection());
            timeout(ROUND_LIMIT, looked).await.map_err(|_| silent())??;
        }
    }
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("Postgres has not answered for {} s", ROUND_LIMIT.as_secs()),
    ))
}
