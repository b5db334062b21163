//! Asks Kafka and Postgres, again and again, whether they answer and where the logs end: health, and lag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use super::assignment::{Assignment, Standing};
use crate::chunk::Lane;
use crate::postgres::ServicePool;
use crate::settings::Settings;
use crate::telemetry::catalog::{LAG_MESSAGES, LAG_RECORDS, LAG_SECONDS, PARTITIONS, STAGE};
use crate::telemetry::{Health, Part, Set, Statement, sample, timed};
use crate::{kafka, postgres};

const INTERVAL: Duration = Duration::from_secs(2);
/// Asks nobody.
const PARTITIONS_INTERVAL: Duration = Duration::from_millis(200);
/// Whoever has not answered by then does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The partitions that this member holds.
#[derive(Debug, Default)]
pub struct Watched {
    held: Mutex<Vec<Held>>,
    /// Whether the group has said which partitions are ours.
    assigned: AtomicBool,
}

/// For how long the polling thread has had nothing to take though it had room.
#[derive(Debug, Default)]
pub struct Idle(Option<Instant>);

impl Idle {
    /// A turn of the polling thread has taken so many messages.
    pub fn turn(&mut self, taken: usize, had_room: bool) {
        match self.0 {
            Some(since) if taken > 0 => {
                STAGE.observe(&["fetch"], since.elapsed());
                self.0 = None;
            }
            None if taken == 0 && had_room => self.0 = Some(Instant::now()),
            Some(_) if !had_room => self.0 = None,
            _ => {}
        }
    }
}

#[derive(Debug, Clone)]
struct Held {
    assignment: Weak<Assignment>,
    since: Instant,
    /// Where the group's commits stood; `None`: at the first message.
    start: Option<i64>,
    /// First message of the log and one past its last, as Kafka said last.
    log: Option<(i64, i64)>,
}

impl Watched {
    pub fn new() -> Arc<Self> {
        let watched = Arc::new(Self::default());
        sample(&watched, Self::tell);
        watched
    }

    /// Watches a partition until it is let go. `start`: where the group's commits stand.
    pub fn add(&self, assignment: &Arc<Assignment>, start: Option<i64>) {
        let held = Held { assignment: Arc::downgrade(assignment), since: Instant::now(), start, log: None };
        self.held().push(held);
    }

    /// The group has said which partitions are this member's.
    pub fn heard_of_group(&self) {
        self.assigned.store(true, Ordering::Release);
    }

    fn judge_partitions(&self, health: &Health) {
        let refused = self.assignments().into_iter().find(|assignment| assignment.standing() == Standing::Refused);
        match refused {
            _ if !self.assigned.load(Ordering::Acquire) => {
                health.ill(Part::Partitions, "the group has not said yet which partitions are this member's");
            }
            Some(refused) => health.ill(
                Part::Partitions,
                format!(
                    "{} partition {} is refused: Kafka says that a chunk is loaded that Postgres does not know (see the log)",
                    refused.topic, refused.partition
                ),
            ),
            None => health.well(Part::Partitions),
        }
    }

    /// What is still held.
    fn assignments(&self) -> Vec<Arc<Assignment>> {
        let mut held = self.held();
        held.retain(|held| held.assignment.upgrade().is_some_and(|assignment| !assignment.is_over()));
        held.iter().filter_map(|held| held.assignment.upgrade()).collect()
    }

    fn log_of(&self, assignment: &Arc<Assignment>, log: (i64, i64)) {
        let mut all = self.held();
        let found = all.iter_mut().find(|held| std::ptr::eq(held.assignment.as_ptr(), Arc::as_ptr(assignment)));
        if let Some(held) = found {
            held.log = Some(log);
        }
    }

    fn tell(&self, set: &mut Set<'_>) {
        let assignments = self.assignments();
        for (word, standing) in
            [("proving", Standing::Proving), ("open", Standing::Open), ("refused", Standing::Refused)]
        {
            let count = assignments.iter().filter(|assignment| assignment.standing() == standing).count();
            set(&PARTITIONS, &[word], count as f64);
        }
        for held in self.held().iter() {
            let (Some(assignment), Some((low, end))) = (held.assignment.upgrade(), held.log) else { continue };
            let behind = assignment.lag(held.start.unwrap_or(low), end);
            let labels = [&*assignment.topic, &assignment.partition.to_string()];
            set(&LAG_MESSAGES, &labels, behind.messages as f64);
            if let Some(records) = behind.records {
                set(&LAG_RECORDS, &labels, records);
            }
            let age = match (behind.messages, behind.oldest_ms) {
                (0, _) => 0.0,
                (_, Some(at_ms)) => seconds_since(at_ms),
                (_, None) => held.since.elapsed().as_secs_f64(),
            };
            set(&LAG_SECONDS, &labels, age);
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By this machine's clock; never negative, whatever the broker's clock says.
fn seconds_since(at_ms: i64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (now - at_ms as f64 / 1000.0).max(0.0)
}

/// Goes on until it is aborted.
pub async fn run(watched: Arc<Watched>, pool: Arc<ServicePool>, settings: Settings, health: Arc<Health>) {
    let partitions = async {
        loop {
            watched.judge_partitions(&health);
            tokio::time::sleep(PARTITIONS_INTERVAL).await;
        }
    };
    tokio::join!(ask_postgres(&pool, &settings, &health), ask_kafka(&watched, &settings, &health), partitions);
}

async fn ask_postgres(pool: &ServicePool, settings: &Settings, health: &Health) {
    loop {
        match tokio::time::timeout(PATIENCE, probe(pool)).await {
            Ok(Ok(())) => health.well(Part::Postgres),
            // A pool says only that it got no connection in time; one of its own meets the reason.
            Ok(Err(_)) | Err(_) => match postgres::connect(&settings.postgres, "fabric validate").await {
                Ok(_) => health.ill(Part::Postgres, format!("no connection was free for {} s", PATIENCE.as_secs())),
                Err(error) => health.ill(Part::Postgres, postgres::describe(&error, &settings.postgres)),
            },
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn probe(pool: &ServicePool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    timed(Statement::Probe, sqlx::query("select 1").execute(&mut *connection)).await?;
    Ok(())
}

async fn ask_kafka(watched: &Arc<Watched>, settings: &Settings, health: &Health) {
    let client = match kafka::inquirer(&settings.kafka) {
        Ok(client) => Arc::new(client),
        Err(error) => return health.ill(Part::Kafka, kafka::describe(&error, &settings.kafka)),
    };
    loop {
        let (watched, client, kafka) = (Arc::clone(watched), Arc::clone(&client), settings.kafka.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let asked = ask(&watched, &client, &kafka.lane_topic(Lane::Normal));
            asked.map_err(|error| kafka::describe(&error, &kafka))
        });
        match asked.await {
            Ok(Ok(())) => health.well(Part::Kafka),
            Ok(Err(reason)) => health.ill(Part::Kafka, reason),
            Err(error) => health.ill(Part::Kafka, error.to_string()),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Where the logs of all partitions that are held end. `topic`: what is asked about where none is.
fn ask(watched: &Watched, client: &BaseConsumer, topic: &str) -> Result<(), KafkaError> {
    let assignments = watched.assignments();
    if assignments.is_empty() {
        client.fetch_metadata(Some(topic), PATIENCE)?;
    }
    for assignment in assignments {
        let log = client.fetch_watermarks(&assignment.topic, assignment.partition, PATIENCE)?;
        watched.log_of(&assignment, log);
    }
    Ok(())
}
