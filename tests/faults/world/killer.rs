//! A record that kills whoever judges it: its chunk is to be found out and set aside, and loaded by a release that is mended.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::World;
use crate::reader::{Kind, Reading};
use crate::scenario::{Death, Killer, Pace, Who};

impl World {
    /// As `FABRIC_TEST_STRIKE` has it: the whole line is the mark.
    pub(super) fn strike_of(&self, killer: Killer) -> String {
        let how = if killer.death == Death::Abort { "abort" } else { "panic" };
        let bytes = self.scenario.jobs[killer.job].file.bytes();
        let number = usize::try_from(killer.record).expect("a file of some thousand records");
        let line = bytes.split(|byte| *byte == b'\n').nth(number).unwrap_or_default();
        format!("{how} judged {}", String::from_utf8_lossy(line))
    }

    /// Until its chunk is set aside; then the release is mended, and the job resumed.
    pub async fn until_killer_is_found(&self, reading: &mut Reading) {
        let Some(killer) = self.scenario.killer else { return };
        let quick = self.scenario.size.pace == Pace::Quick;
        let deadline = Instant::now() + Duration::from_secs(if quick { 45 } else { 180 });
        while !self.is_found(killer).await {
            if Instant::now() > deadline {
                reading.find(Kind::Stuck, format!("record {} kills, and is not found out", killer.record + 1));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.told.tell("the chunk that kills is set aside: a mended release runs from now on");
        self.count("killer");
        self.mended.store(true, Ordering::Relaxed);
        {
            let mut members = self.members.lock().expect("nobody panics with the members");
            for (_, member) in members.iter_mut().filter(|(who, _)| matches!(who, Who::Validator(_))) {
                member.thaw();
                member.signal(Signal::SIGTERM);
                member.back_in(0);
            }
        }
        if let Some(number) = self.number_of(killer.job).await {
            self.resume(number).await;
        }
    }

    async fn is_found(&self, killer: Killer) -> bool {
        let query = "select exists (select from fabric.owed_chunks join fabric.jobs using (job_id)
          where path = $1 and cause = 'worker' and state = 'parked')";
        let path = self.path(killer.job);
        sqlx::query_scalar(query).bind(path).fetch_one(&self.installation.database.pool).await.unwrap_or(false)
    }

    /// Until it has gone on: its publisher may still be at work.
    async fn resume(&self, number: i64) {
        for _ in 0..50 {
            if self.run(&["jobs", "resume", &number.to_string()]).status.success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}
