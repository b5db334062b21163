//! Makes the monthly partitions of the rejects ahead of time.

use sqlx::PgConnection;

/// This month and the next two. A month whose rejects stand in the default partition already, or whose partition
/// loaders keep from being made just now, is left for another time: the default partition takes its rows.
pub(super) async fn make(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let months: Vec<String> = sqlx::query_scalar(
        "select to_char(m, 'YYYY-MM-DD')
           from generate_series(date_trunc('month', now() at time zone 'UTC'),
                                date_trunc('month', now() at time zone 'UTC') + interval '2 months',
                                interval '1 month') m
          where to_regclass(to_char(m, '\"fabric.rejects_y\"YYYY\"m\"MM')) is null",
    )
    .fetch_all(&mut *connection)
    .await?;
    for month in months {
        let making = sqlx::query("select fabric.make_rejects_partition($1::text::date)").bind(&month);
        match making.execute(&mut *connection).await {
            Ok(_) => tracing::info!(month, "made a partition for rejects"),
            Err(sqlx::Error::Database(error)) => {
                tracing::info!(month, reason = error.message(), "left a partition for rejects unmade");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
