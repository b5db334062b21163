//! The disk under a target is full for a while: nobody's fault for seconds, then the feed's.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::{outage, superuser};
use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::installation::{Installation, Process};

const FULL: &str = "No space left on device";

/// A file system of its own in memory, as a tablespace of the server. Only root may mount one.
struct SmallDisk {
    folder: PathBuf,
    tablespace: String,
    superuser_url: String,
}

impl SmallDisk {
    async fn under_the_target(installation: &Installation, mib: u32) -> Self {
        // Not in the installation's folder, which is removed first; and the server's user must be able to enter it.
        let tablespace = format!("small_{}", installation.database.name());
        let folder = std::env::temp_dir().join(&tablespace);
        std::fs::create_dir(&folder).unwrap();
        let disk = Self { folder, tablespace, superuser_url: super::superuser_url(installation) };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        succeed(Command::new("chown").arg("postgres:").arg(&disk.folder));
        let mut superuser = superuser(installation).await;
        let (name, place) = (&disk.tablespace, disk.folder.display());
        run(&mut superuser, &format!("create tablespace {name} location '{place}'")).await;
        run(&mut superuser, &format!("alter table public.card_transactions set tablespace {name}")).await;
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        succeed(Command::new("mount").args(arguments).arg(&self.folder));
    }

    fn grow(&self) {
        self.mount(&["-o", "remount,size=512m"]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let statement = format!("drop tablespace {}", self.tablespace);
        Command::new("psql").args(["-X", "-q", "-c", &statement, &self.superuser_url]).output().ok();
        Command::new("umount").arg(&self.folder).output().ok();
        std::fs::remove_dir(&self.folder).ok();
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", crate::installation::told(&output));
}

async fn run(connection: &mut sqlx::PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

/// A load on whose way the disk fills up: some 40 MB of rows on 16 MiB.
async fn until_full(installation: &Installation) -> (SmallDisk, [Process; 2], i64, String) {
    let disk = SmallDisk::under_the_target(installation, 16).await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (ingest, job) = begin(installation, &file).await;
    let validator = installation.validator();
    installation.until(SOME, LEDGER_ROWS).await;
    (disk, [validator, ingest], job, file)
}

/// Whether a disk can be made; says so if not.
fn may_mount() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("not run: only root may mount a file system for the target");
    }
    root
}

#[tokio::test]
async fn a_disk_that_is_full_for_a_moment_delays_the_job_and_no_more() {
    if !may_mount() {
        return;
    }
    let installation = installation().await;
    let (disk, processes, job, file) = until_full(&installation).await;
    processes[0].until_says(FULL, Duration::from_secs(30)).await;
    disk.grow();
    installation.until(1, "select count(*) from fabric.jobs where state = 'completed'").await;
    completes(&installation, job, &file).await;
    assert_eq!(installation.database.number("select count(*) from fabric.owed_chunks").await, 0);
    drop((processes, installation, disk));
}

#[tokio::test]
async fn a_disk_that_stays_full_parks_the_job_which_goes_on_when_there_is_room() {
    if !may_mount() {
        return;
    }
    let installation = installation().await;
    let (disk, processes, job, file) = until_full(&installation).await;
    let waited = installation.run(&["jobs", "wait", &job.to_string(), "--timeout", "60s", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&waited.stdout).unwrap();
    assert_eq!(report["state"], "parked", "{report}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("53100"), "{reason}");
    tokio::time::sleep(outage(Duration::ZERO)).await;
    disk.grow();
    // By itself or by this, whichever is first. A try that met the full disk a moment ago may park it once more.
    installation.run(&["jobs", "resume", &job.to_string()]);
    installation.until(1, "select count(*) from fabric.jobs where state = 'completed'").await;
    completes(&installation, job, &file).await;
    drop((processes, installation, disk));
}
