//! A target table that someone else has locked: what loads into it waits in mid-COPY.

use sqlx::PgConnection;

use crate::installation::Installation;

/// Long enough that no load gives up while a test runs, and so no job is parked.
pub const PATIENT: (&str, &str) = ("FABRIC_LOAD_LOCK_TIMEOUT", "5m");

pub struct HeldTarget {
    connection: PgConnection,
}

impl HeldTarget {
    /// `card_transactions`, which must exist.
    pub async fn hold(installation: &Installation) -> Self {
        let mut connection = installation.database.connect().await;
        let lock = "begin; lock table card_transactions in access exclusive mode";
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        Self { connection }
    }

    /// Waits until so many loaders wait for it.
    pub async fn until_waited_for(&self, installation: &Installation, loaders: i64) {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                       and application_name like 'fabric loader%' and wait_event_type = 'Lock'";
        installation.until(loaders, waiting).await;
    }

    pub async fn release(mut self) {
        sqlx::raw_sql("rollback").execute(&mut self.connection).await.unwrap();
    }
}
