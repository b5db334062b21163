//! Postgres that goes away in mid-load.

use std::process::Command;

use super::{LEDGER_ROWS, RECORDS, SOME, begin, completes, prepared};
use crate::database::{self, Database};
use crate::installation::Installation;

#[tokio::test]
async fn postgres_restarted_in_mid_load_loses_and_doubles_nothing() {
    let server = database::server_alone().await;
    let installation = prepared(Installation::with(Database::alone(&server).await));
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (installation.validator(), installation.validator());
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/stack");
    let restarted = Command::new(stack).args(["restart", "postgres"]).output().unwrap();
    assert!(restarted.status.success(), "{}", crate::installation::told(&restarted));
    completes(&installation, job, &file).await;
    drop(installation);
    drop(server);
}
