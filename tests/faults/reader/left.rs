//! What must be gone once everything has ended.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Kind, Reading};

/// A backend needs a moment to see that its client is gone.
const PATIENCE: u32 = 30;

/// A partition that nobody holds may be under suspicion until something comes that proves it well.
const MUST_BE_NONE: [(&str, &str); 9] = [
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
    ("partitions in custody", "select count(*) from fabric.held_partitions where holder <> 0"),
    ("chunks under suspicion", "select count(*) from fabric.suspect_chunks"),
    ("trials of streams", "select count(*) from fabric.stream_trials"),
    ("owed chunks", "select count(*) from fabric.owed_chunks join fabric.jobs using (job_id) where state <> 'stopped'"),
    ("partitions that are to go back", "select count(*) from fabric.lane_rewinds"),
    ("events in the outbox", "select count(*) from fabric.outbox"),
];

pub async fn read(connection: &mut PgConnection, reading: &mut Reading) -> Result<(), sqlx::Error> {
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
