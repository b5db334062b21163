//! Who runs, as the rows of processes tell it by Postgres' clock.

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use super::{Doing, Role};

/// Without a beat for this long, four of them, a process is shown as gone. Seconds.
const GONE_AFTER: f64 = 20.0;

/// One process.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub role: Role,
    pub host: String,
    pub pid: i32,
    pub version: String,
    pub up_seconds: f64,
    /// Since its last beat.
    pub silent_seconds: f64,
    pub doing: Doing,
}

impl Process {
    /// Whether it ended without a word, or is frozen.
    pub fn is_gone(&self) -> bool {
        self.silent_seconds > GONE_AFTER
    }
}

/// Every process that has a row: validators first, the oldest first.
pub async fn list(connection: &mut PgConnection) -> Result<Vec<Process>, sqlx::Error> {
    #[derive(FromRow)]
    struct Row {
        role: String,
        host: String,
        pid: i32,
        version: String,
        up: f64,
        silent: f64,
        doing: Json<Doing>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select role, host, pid, version, doing,
                extract(epoch from clock_timestamp() - started_at)::float8 as up,
                extract(epoch from clock_timestamp() - beat_at)::float8 as silent
           from fabric.processes order by role desc, started_at, host, pid",
    )
    .fetch_all(connection)
    .await?;
    let process = |row: Row| {
        Some(Process {
            // A role of a newer release is none that this one could tell of.
            role: Role::parse(&row.role)?,
            host: row.host,
            pid: row.pid,
            version: row.version,
            up_seconds: row.up,
            silent_seconds: row.silent,
            doing: row.doing.0,
        })
    };
    Ok(rows.into_iter().filter_map(process).collect())
}

/// Removes rows of processes that have long been gone. Answers how many.
pub async fn sweep(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query("delete from fabric.processes where beat_at < clock_timestamp() - interval '10 minutes'")
        .execute(connection)
        .await?;
    Ok(swept.rows_affected())
}
