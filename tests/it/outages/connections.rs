//! Others take every connection that Postgres has, for a while.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use super::{outage, superuser};
use crate::database::{self, Database};
use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, prepared};
use crate::installation::Installation;

/// Backends of fabric's own processes.
const OURS: &str = "select count(*) from pg_stat_activity
  where application_name like 'fabric%' and application_name <> 'fabric test' and datname = $1";

#[tokio::test]
async fn connections_exhausted_in_mid_load_are_waited_for_and_nothing_is_rejected_or_doubled() {
    let server = database::server_alone().await;
    let mut installation = prepared(Installation::with(Database::alone(&server).await));
    super::stay_in_mid_file(&mut installation);
    installation.set("FABRIC_INGEST_PATIENCE", "120s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (installation.validator(), installation.validator());
    let (mut ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;

    let taken = take_all(&installation).await;
    let loaded = rows(&installation).await;
    tokio::time::sleep(outage(Duration::from_secs(8))).await;
    assert_eq!(rows(&installation).await, loaded, "nobody could load");
    drop(taken);
    completes(&installation, job, &file).await;
    assert_eq!(ingest.wait(Duration::from_secs(30)), Some(0), "{}", ingest.log());
    drop(installation);
    drop(server);
}

/// Takes the connections that are free, then those of fabric's processes, whose backends are ended under them.
async fn take_all(installation: &Installation) -> Vec<PgConnection> {
    let options = installation.database.settings.url.parse::<sqlx::postgres::PgConnectOptions>().unwrap();
    let mut superuser = superuser(installation).await;
    let mut taken = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut seen_none = 0;
    loop {
        while let Ok(connection) = options.clone().application_name("greedy").connect().await {
            taken.push(connection);
        }
        let ours: i64 =
            sqlx::query_scalar(OURS).bind(installation.database.name()).fetch_one(&mut superuser).await.unwrap();
        // A backend that is just starting has a slot and no name yet: none must be seen for a while.
        seen_none = if ours == 0 { seen_none + 1 } else { 0 };
        if seen_none == 5 {
            // Its slot is not one of those that are kept for superusers while there are others.
            taken.push(superuser);
            return taken;
        }
        if ours == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        assert!(Instant::now() < deadline, "{ours} backends of fabric's are left");
        let end = OURS.replace("count(*)", "pg_terminate_backend(pid)");
        sqlx::query(AssertSqlSafe(end)).bind(installation.database.name()).execute(&mut superuser).await.unwrap();
    }
}

/// As the superuser sees them, for whom Postgres keeps connections.
async fn rows(installation: &Installation) -> i64 {
    let mut superuser = superuser(installation).await;
    let count = sqlx::query_scalar(LEDGER_ROWS).fetch_one(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
    count
}
