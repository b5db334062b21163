//! Kafka that goes away in mid-load.

use std::time::Duration;

use super::{outage, stack};
use crate::database::{self, Database};
use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, prepared};
use crate::installation::{Installation, Process};
use crate::topics_of_own::broker_alone;

/// A publisher in the middle of its file and two validators at work on it.
async fn in_mid_load(installation: &mut Installation) -> (String, Vec<Process>, i64) {
    super::stay_in_mid_file(installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let mut processes = vec![installation.validator(), installation.validator()];
    let (ingest, job) = begin(installation, &file).await;
    processes.push(ingest);
    installation.until(SOME, LEDGER_ROWS).await;
    (file, processes, job)
}

#[tokio::test]
async fn kafka_restarted_in_mid_load_loses_and_doubles_nothing() {
    let server = database::server_alone().await;
    let broker = broker_alone(&server).await;
    let mut installation = prepared(Installation::with(Database::alone(&server).await));
    let (file, _processes, job) = in_mid_load(&mut installation).await;
    stack(&["restart", "kafka"]);
    completes(&installation, job, &file).await;
    drop(installation);
    drop((broker, server));
}

#[tokio::test]
async fn kafka_away_for_a_while_in_mid_load_is_waited_for() {
    let server = database::server_alone().await;
    let broker = broker_alone(&server).await;
    let mut installation = prepared(Installation::with(Database::alone(&server).await));
    installation.set("FABRIC_INGEST_PATIENCE", "120s");
    let (file, _processes, job) = in_mid_load(&mut installation).await;
    stack(&["stop", "kafka"]);
    tokio::time::sleep(outage(Duration::from_secs(8))).await;
    stack(&["start", "kafka"]);
    completes(&installation, job, &file).await;
    drop(installation);
    drop((broker, server));
}
