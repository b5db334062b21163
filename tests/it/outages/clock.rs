//! A wrong clock on one machine changes no outcome: what matters is decided by Postgres' clock or by order.
//!
//! Three hours off is the wall clock and no other, as where time is not synchronised: `wrong_clock.c`, preloaded.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::installation::{Installation, Process};

#[derive(Clone, Copy)]
enum Clock {
    Fast,
    Slow,
}

/// A process of the installation on a machine with such a clock.
fn start_at(clock: Clock, installation: &Installation, arguments: &[&str]) -> Process {
    let seconds = match clock {
        Clock::Fast => "10800",
        Clock::Slow => "-10800",
    };
    let library = library(installation);
    let wrong = [("LD_PRELOAD", library.to_str().unwrap()), ("WRONG_CLOCK_SECONDS", seconds)];
    installation.start_with(&wrong, arguments)
}

fn library(installation: &Installation) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/outages/wrong_clock.c");
    let library = installation.path("wrong_clock.so");
    if !library.exists() {
        let flags = ["-shared", "-fPIC", "-o", library.to_str().unwrap(), source, "-ldl"];
        let output = std::process::Command::new("cc").args(flags).output().unwrap();
        assert!(output.status.success(), "{}", crate::installation::told(&output));
    }
    library
}

/// A validator that does work by that clock, by what it writes in its log.
async fn validator_at(clock: Clock, installation: &Installation) -> Process {
    let validator = start_at(clock, installation, &["validate"]);
    validator.until_says(".chunks.normal ", Duration::from_secs(30)).await;
    let log = validator.log();
    let written: jiff::Timestamp = log.split_whitespace().next().unwrap().parse().unwrap();
    let ahead = written.duration_since(jiff::Timestamp::now()).as_secs() / 3600;
    assert_eq!(ahead.signum(), if matches!(clock, Clock::Fast) { 1 } else { -1 }, "{log}");
    validator
}

#[tokio::test]
async fn processes_with_wrong_clocks_load_a_file_to_the_same_end() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (validator_at(Clock::Fast, &installation).await, validator_at(Clock::Slow, &installation).await);
    let _ingest = start_at(Clock::Slow, &installation, &["ingest", "card-transactions", &file]);
    installation.until(1, "select count(*) from fabric.jobs").await;
    let job = installation.database.number("select max(job_id) from fabric.jobs").await;
    completes(&installation, job, &file).await;
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--json"]);
    assert!((0.0..120.0).contains(&report["seconds"].as_f64().unwrap()), "{report}");
    let beside = "select count(*) from fabric.jobs, fabric.chunk_ledger l
      where greatest(@ extract(epoch from clock_timestamp() - registered_at),
                     @ extract(epoch from clock_timestamp() - ended_at),
                     @ extract(epoch from clock_timestamp() - l.committed_at)) > 600";
    assert_eq!(installation.database.number(beside).await, 0, "every time is the server's");
}

#[tokio::test]
async fn a_lease_runs_out_by_the_servers_clock_alone() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_LEASE", "3s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let steward = start_at(Clock::Fast, &installation, &["steward"]);
    let ingest = start_at(Clock::Slow, &installation, &["ingest", "card-transactions", &file]);
    installation.until(1, "select count(*) from fabric.jobs where state = 'publishing'").await;
    // Two leases: a steward that went by its own clock would have called it stalled.
    let renewed = "select count(*) from fabric.jobs
      where state = 'publishing' and clock_timestamp() > registered_at + interval '6 s'";
    installation.until(1, renewed).await;
    ingest.kill();
    installation.until(1, "select count(*) from fabric.jobs where state = 'stalled'").await;
    let early = "select count(*) from fabric.jobs where lease_until > clock_timestamp()";
    assert_eq!(installation.database.number(early).await, 0);
    steward.terminate();

    let _validator = validator_at(Clock::Slow, &installation).await;
    let mut again = start_at(Clock::Fast, &installation, &["ingest", "card-transactions", &file, "--wait"]);
    assert_eq!(again.wait(Duration::from_secs(90)), Some(0), "{}", again.log());
    let job = installation.database.number("select max(job_id) from fabric.jobs").await;
    assert_eq!(job, installation.database.number("select min(job_id) from fabric.jobs").await, "the same job went on");
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn a_frozen_loader_with_a_fast_clock_is_evicted_by_one_with_a_slow_clock() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let frozen = validator_at(Clock::Fast, &installation).await;
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;
    freeze_in_a_transaction(&frozen, &installation).await;
    let other = validator_at(Clock::Slow, &installation).await;
    completes(&installation, job, &file).await;
    frozen.signal(Signal::SIGCONT);
    frozen.until_says("partitions revoked", Duration::from_secs(30)).await;
    frozen.terminate();
    other.terminate();
    completes(&installation, job, &file).await;
}

/// Stops it where one of its loaders has a transaction open.
async fn freeze_in_a_transaction(validator: &Process, installation: &Installation) {
    let open = "select count(*) from pg_stat_activity
      where datname = current_database() and application_name like 'fabric loader%'
        and xact_start < clock_timestamp() - interval '200 ms'";
    for _ in 0..100 {
        validator.signal(Signal::SIGSTOP);
        tokio::time::sleep(Duration::from_millis(250)).await;
        if installation.database.number(open).await > 0 {
            return;
        }
        validator.signal(Signal::SIGCONT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was never stopped in a transaction");
}
