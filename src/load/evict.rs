//! Ends a frozen loader that holds a lock which others need.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use crate::faults::{self, Defect};
use crate::telemetry::catalog::EVICTIONS;

/// Every loader connection's application_name begins so; nothing else is ever evicted.
pub const LOADER_NAME: &str = "fabric loader";

/// A loader connection that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    pub pid: i32,
    /// `fabric loader HOST/PID/N`
    pub application_name: String,
    /// How long its transaction had been open, by the server's clock.
    pub age: Duration,
}

/// Ends the loaders that `waiting_pid` waits for, directly or behind others, whose transaction has been open for
/// longer than `older_than`. Call it on another connection while `waiting_pid` waits: a backend that waits for COPY
/// data heeds no statement timeout, so nothing else frees what it holds.
pub async fn evict_blockers(
    connection: &mut PgConnection,
    waiting_pid: i32,
    older_than: Duration,
) -> Result<Vec<Evicted>, sqlx::Error> {
    faults::statement("evict.before", connection).await?;
    if faults::has(Defect::FrozenLoaderKept) {
        return Ok(vec![]);
    }
    let older_than = PgInterval { months: 0, days: 0, microseconds: older_than.as_micros() as i64 };
    let rows: Vec<(i32, String, i64)> = sqlx::query_as(
        // Materialised: the planner is free to ask the cheapest condition of a row first, also before a join.
        "with recursive blocker (pid) as (
             select unnest(pg_blocking_pids($1))
             union
             select unnest(pg_blocking_pids(blocker.pid)) from blocker
         ),
         frozen as materialized (
             select a.pid, a.application_name, a.xact_start
               from pg_stat_activity a join blocker using (pid)
              where a.pid <> $1 and starts_with(a.application_name, $3) and a.xact_start < clock_timestamp() - $2
         )
         select pid, application_name, (extract(epoch from clock_timestamp() - xact_start) * 1000000)::bigint
           from frozen where pg_terminate_backend(pid)",
    )
    .bind(waiting_pid)
    .bind(older_than)
    .bind(LOADER_NAME)
    .fetch_all(connection)
    .await?;
    let evicted: Vec<Evicted> = rows
        .into_iter()
        .map(|(pid, application_name, age)| Evicted {
            pid,
            application_name,
            age: Duration::from_micros(age.unsigned_abs()),
        })
        .collect();
    EVICTIONS.add(&[], evicted.len() as u64);
    for Evicted { pid, application_name, age } in &evicted {
        let age_seconds = age.as_secs_f64();
        tracing::warn!(pid, application_name, age_seconds, "evicted a loader that held a lock for too long");
    }
    Ok(evicted)
}
