//! Waits until Kafka, its topics and Postgres are as a validator needs them, and says what it waits for.

use std::time::Duration;

use sqlx::{Connection as _, PgPool};
use tracing::{info, warn};

use crate::chunk::Lane;
use crate::postgres::NotMigrated;
use crate::retry::Waits;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Part};
use crate::{postgres, topics};

/// Answers how many partitions both lanes have; `None`: shutdown came first.
/// `health` hears what is missing.
pub async fn wait(settings: &Settings, pool: &PgPool, shutdown: &mut Shutdown, health: &Health) -> Option<i32> {
    let mut waits = Waits::new(Duration::from_millis(500), Duration::from_secs(10));
    let mut said = String::new();
    loop {
        let looked = tokio::select! {
            looked = look(settings, pool) => looked,
            () = shutdown.due() => return None,
        };
        let (part, problem) = match looked {
            Ok(partitions) => {
                if !said.is_empty() {
                    info!("everything answers now");
                }
                return Some(partitions);
            }
            Err(problem) => problem,
        };
        health.ill(part, problem.clone());
        let wait = waits.next_wait();
        if problem != said {
            warn!("{problem}\n  Trying again until it does; nothing is lost meanwhile.");
            said = problem;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.due() => return None,
        }
    }
}

async fn look(settings: &Settings, pool: &PgPool) -> Result<i32, (Part, String)> {
    topics::verify(&settings.kafka).await.map_err(|error| (Part::Kafka, error.to_string()))?;
    let specs = topics::declared(&settings.kafka.prefix);
    let actual = topics::look(&settings.kafka, &specs).await.map_err(|error| (Part::Kafka, error.to_string()))?;
    migrated(settings, pool).await.map_err(|problem| (Part::Postgres, problem))?;
    let lanes = Lane::ALL.map(|lane| actual.get(&settings.kafka.lane_topic(lane)).map_or(0, |topic| topic.partitions));
    Ok(lanes.iter().sum())
}

/// By a connection of its own first: a pool says only that it got none in time, not why.
async fn migrated(settings: &Settings, pool: &PgPool) -> Result<(), String> {
    let in_words = |error: &sqlx::Error| postgres::describe(error, &settings.postgres);
    let probe = postgres::connect(&settings.postgres, "fabric validate").await.map_err(|error| in_words(&error))?;
    probe.close().await.map_err(|error| in_words(&error))?;
    postgres::check_migrated(pool).await.map_err(|error| match error {
        NotMigrated::Postgres(error) => in_words(&error),
        NotMigrated::Pending(_) => error.to_string(),
    })
}

/// `HOST/PID`: who holds a connection, for whoever reads `pg_stat_activity`.
pub fn place() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "host" } else { host.trim() };
    format!("{host}/{}", std::process::id())
}
