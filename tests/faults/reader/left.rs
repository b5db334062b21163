//! What must be gone once everything has ended.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Kind, Reading};

/// A backend needs a moment to see that its client is gone.
const PATIENCE: u32 = 30;

const MUST_BE_NONE: [(&str, &str); 7] = [
    (
        "sessions of fabric's",
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'fabric%'
           and application_name <> 'fabric test'",
    ),
    (
        "advisory locks",
        "select count(*) from pg_locks where locktype = 'advisory'
           and database = (select oid from pg_database where datname = current_database())",
    ),
    ("prepared transactions", "select count(*) from pg_prepared_xacts where database = current_database()"),
    ("trials of streams", "select count(*) from fabric.stream_trials"),
    ("owed chunks", "select count(*) from fabric.owed_chunks join fabric.jobs using (job_id) where state <> 'stopped'"),
    ("partitions that are to go back", "select count(*) from fabric.lane_rewinds"),
    ("events in the outbox", "select count(*) from fabric.outbox"),
];

/// `ended`: processes that have ended in order. What a dead one held stays its own until another takes it.
pub async fn read(connection: &mut PgConnection, ended: &[u32], reading: &mut Reading) -> Result<(), sqlx::Error> {
    let places: Vec<String> = sqlx::query_scalar("select place from fabric.held_partitions where holder <> 0")
        .fetch_all(&mut *connection)
        .await?;
    // HOST/PID
    let pid = |place: &String| place.rsplit('/').next().and_then(|pid| pid.parse().ok());
    let kept = places.iter().filter_map(pid).filter(|pid| ended.contains(pid)).count();
    if kept > 0 {
        reading.find(Kind::Left, format!("{kept} partitions are in custody of processes that ended in order"));
    }
    for (what, query) in MUST_BE_NONE {
        let mut count = 1_i64;
        for _ in 0..PATIENCE {
            count = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *connection).await?;
            if count == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if count > 0 {
            reading.find(Kind::Left, format!("{count} {what}"));
        }
    }
    Ok(())
}
