//! What fabric needs is slow, full or gone for a while, and comes back: nothing lost, nothing doubled, nobody waits for
//! ever. Each test that loads ends with the independent reader.
//!
//! An outage lasts seconds where a longer one goes the same way. `FABRIC_TEST_LONG=1` makes each a minute.

mod clock;
mod connections;
mod cut;
mod disk;
mod kafka;
mod lane_made_anew;
mod network;
mod partitions;
pub mod proxied;
mod redis;
mod sizes;

use std::process::Command;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::installation::Installation;

/// How long something stays away.
fn outage(usual: Duration) -> Duration {
    match std::env::var_os("FABRIC_TEST_LONG") {
        Some(_) => Duration::from_secs(60),
        None => usual,
    }
}

/// A backlog so small that the publisher stays in the middle of its file together with the validators.
fn stay_in_mid_file(installation: &mut Installation) {
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "8MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
}

/// Runs `dev/stack` to a successful end.
fn stack(arguments: &[&str]) {
    let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/stack");
    let output = Command::new(stack).args(arguments).output().unwrap();
    assert!(output.status.success(), "dev/stack {arguments:?}\n{}", crate::installation::told(&output));
}

fn superuser_url(installation: &Installation) -> String {
    installation.database.settings.url.replace("://fabric@", "://postgres@")
}

/// A connection that Postgres keeps free for its superuser.
async fn superuser(installation: &Installation) -> PgConnection {
    PgConnection::connect(&superuser_url(installation)).await.unwrap()
}
