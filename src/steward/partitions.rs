//! Makes the monthly partitions of the rejects ahead of time.

use sqlx::{AssertSqlSafe, PgConnection};

/// Of what files and streams rejected.
const TABLES: [&str; 2] = ["rejects", "stream_rejects"];

pub(super) async fn make(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for table in TABLES {
        make_of(connection, table).await?;
    }
    Ok(())
}

/// This month and the next two. A month whose rejects stand in the default partition already, or whose partition
/// loaders keep from being made just now, is left for another time: the default partition takes its rows.
async fn make_of(connection: &mut PgConnection, rejects: &str) -> Result<(), sqlx::Error> {
    let months: Vec<(String, String, String)> = sqlx::query_as(
        "select 'fabric.' || $1 || to_char(m, '\"_y\"YYYY\"m\"MM'), to_char(m, 'YYYY-MM-DD'),
                to_char(m + interval '1 month', 'YYYY-MM-DD')
           from generate_series(date_trunc('month', now() at time zone 'UTC'),
                                date_trunc('month', now() at time zone 'UTC') + interval '2 months',
                                interval '1 month') m
          where to_regclass('fabric.' || $1 || to_char(m, '\"_y\"YYYY\"m\"MM')) is null",
    )
    .bind(rejects)
    .fetch_all(&mut *connection)
    .await?;
    for (table, from, to) in months {
        // Making one takes the rejects from every loader for an instant: none is made to wait for it.
        let sql = format!(
            "begin; set local lock_timeout = '300ms';
             create table if not exists {table} partition of fabric.{rejects}
                 for values from ('{from} 00:00:00+00') to ('{to} 00:00:00+00');
             commit"
        );
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await {
            Ok(_) => tracing::info!(table, "made a partition for rejects"),
            Err(sqlx::Error::Database(error)) => {
                sqlx::raw_sql("rollback").execute(&mut *connection).await?;
                tracing::info!(table, reason = error.message(), "left a partition for rejects unmade");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
