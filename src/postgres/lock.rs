//! A lock that loading transactions share: taken alone by whoever has to know that none of them is under way.

use std::time::Duration;

use sqlx::PgConnection;

/// A loader's transaction this old has had its time: one takes well under a second.
pub const EVICT_AFTER: Duration = Duration::from_secs(5);

/// `lock_timeout` of one try, in words of Postgres.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '2s'";

/// An advisory lock of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLock(pub i64);

impl SharedLock {
    /// Takes it alone until the transaction ends. `false` where others held it for 2 s: the transaction is of no more use
    /// then.
    pub async fn alone(self, transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
        let locked = sqlx::query("select pg_advisory_xact_lock($1)").bind(self.0).execute(transaction);
        match locked.await {
            Ok(_) => Ok(true),
            // lock_not_available
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the sessions of our loaders that hold it in a transaction older than `older_than`: one that is frozen holds
    /// it for ever, and heeds no statement timeout while Postgres waits for its COPY data. Answers their names.
    pub async fn evict(self, connection: &mut PgConnection, older_than: Duration) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            // Materialised: the planner is free to ask the cheapest condition of a row first, also before a join.
            "with frozen as materialized (
                 select a.pid, a.application_name
                   from pg_locks l join pg_stat_activity a using (pid)
                  where l.locktype = 'advisory' and l.granted and l.objsubid = 1
                    and l.database = (select oid from pg_database where datname = current_database())
                    and ((l.classid::bigint << 32) | l.objid::bigint) = $1
                    and a.application_name like 'fabric loader%'
                    and a.xact_start < clock_timestamp() - $2 * interval '1 second'
                    and a.pid <> pg_backend_pid()
             )
             select application_name from frozen where pg_terminate_backend(pid)",
        )
        .bind(self.0)
        .bind(older_than.as_secs_f64())
        .fetch_all(connection)
        .await
    }

    /// Who holds it, for people.
    pub async fn holders(self, connection: &mut PgConnection) -> Result<String, sqlx::Error> {
        sqlx::query_scalar(
            "select coalesce(string_agg(format('%s (backend %s)', a.application_name, a.pid), ', '), 'nobody any more')
               from pg_locks l join pg_stat_activity a using (pid)
              where l.locktype = 'advisory' and l.granted and l.objsubid = 1
                and l.database = (select oid from pg_database where datname = current_database())
                and ((l.classid::bigint << 32) | l.objid::bigint) = $1",
        )
        .bind(self.0)
        .fetch_one(connection)
        .await
    }
}
