//! The servers of `dev/stack`, struck and started again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::World;
use crate::installation::told;

impl World {
    /// Runs `dev/stack`; once more where a server does not come up at once.
    pub(super) fn stack(&self, arguments: &[&str]) {
        let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/stack");
        tokio::task::block_in_place(|| {
            for _ in 0..5 {
                let output = Command::new(stack).args(arguments).output().expect("dev/stack can be run");
                if output.status.success() {
                    return;
                }
                self.told.tell(&format!("dev/stack {arguments:?}: {}", told(&output)));
                std::thread::sleep(Duration::from_secs(1));
            }
            panic!("dev/stack {arguments:?} does not succeed: see the story");
        });
    }

    /// SIGKILL to the postmaster that `dev/stack` has started.
    pub(super) async fn kill_postgres(&self, back: u64) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stack/postgres.pid");
        let pid = std::fs::read_to_string(file).expect("dev/stack has started Postgres");
        let pid: i32 = pid.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a number of a process");
        kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        tokio::time::sleep(Duration::from_millis(back)).await;
        self.stack(&["start", "postgres"]);
    }

    pub(super) fn flush_redis(&self) {
        let url = std::env::var("FABRIC_REDIS_URL").expect("FABRIC_REDIS_URL: see `dev/stack env`");
        let output = Command::new("redis-cli").args(["-u", &url, "flushall"]).output().expect("redis-cli can be run");
        assert!(output.status.success(), "{}", told(&output));
    }
}
