//! Makes the monthly partitions of the rejects ahead of time.

use sqlx::PgConnection;

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
    let months: Vec<String> = sqlx::query_scalar(
        "select to_char(m, 'YYYY-MM-DD')
           from generate_series(date_trunc('month', now() at time zone 'UTC'),
                                date_trunc('month', now() at time zone 'UTC') + interval '2 months',
                                interval '1 month') m
          where to_regclass('fabric.' || $1 || to_char(m, '\"_y\"YYYY\"m\"MM')) is null",
    )
    .bind(rejects)
    .fetch_all(&mut *connection)
    .await?;
    for month in months {
        let making = sqlx::query("select fabric.make_rejects_partition($1, $2::text::date)").bind(rejects).bind(&month);
        match making.execute(&mut *connection).await {
            Ok(_) => tracing::info!(rejects, month, "made a partition for rejects"),
            Err(sqlx::Error::Database(error)) => {
                tracing::info!(rejects, month, reason = error.message(), "left a partition for rejects unmade");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
