//! Publishing a file until all of it is published, whatever befalls the publisher.

use std::time::Duration;

use super::World;
use crate::feeds;
use crate::scenario::{By, Who};

const LOOK: Duration = Duration::from_millis(20);

/// Before what was cut short goes on.
const PAUSE: Duration = Duration::from_millis(200);

/// How a job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Loaded,
    /// The job of this number.
    Cancelled {
        number: i64,
    },
}

/// What became of publishing a file.
#[derive(Debug, Clone)]
pub struct Published {
    /// The number of its file.
    pub job: usize,
    /// Messages on its lane that are no chunks of its job.
    pub forged: usize,
}

impl World {
    /// Where the file of a job lies.
    pub fn path(&self, job: usize) -> String {
        self.installation.path(&format!("file-{}.txt", job + 1)).to_string_lossy().into_owned()
    }

    pub async fn publish(&self, job: usize) -> Published {
        let its = &self.scenario.jobs[job];
        std::fs::write(self.path(job), its.file.bytes()).expect("the installation's folder can be written");
        let forged = match its.by {
            By::Hostile => self.publish_hostile(job).await,
            By::Ingest | By::Resuming => {
                self.ingest_until_whole(job).await;
                0
            }
            By::Twice => {
                let arguments = self.arguments(job);
                let mut twin = self.installation.fabric(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
                let log = std::fs::File::create(self.folder.join(format!("twin-{}.log", job + 1)));
                let log = log.expect("target/faults can be written");
                twin.stdout(log.try_clone().expect("a file")).stderr(log).envs(self.environment_of_twin());
                let mut twin = twin.spawn().expect("the program can be started");
                self.ingest_until_whole(job).await;
                while twin.try_wait().is_ok_and(|status| status.is_none()) && !self.is_over() {
                    tokio::time::sleep(LOOK).await;
                }
                twin.kill().ok();
                twin.wait().ok();
                0
            }
        };
        self.told.tell(&format!("file {} needs no publisher any more", job + 1));
        Published { job, forged }
    }

    fn environment_of_twin(&self) -> Vec<(&'static str, String)> {
        self.defect.iter().map(|defect| ("FABRIC_TEST_DEFECT", defect.clone())).collect()
    }

    fn arguments(&self, job: usize) -> Vec<String> {
        let its = &self.scenario.jobs[job];
        let (path, chunk) = (self.path(job), format!("ingest.chunk_bytes={}", its.chunk));
        ["ingest", feeds::FILES, &path, "--lane", its.lane.word(), "--set", &chunk].map(str::to_owned).to_vec()
    }

    async fn ingest_until_whole(&self, job: usize) {
        let who = Who::Publisher(job);
        let first = self.arguments(job);
        let mut arguments = first.clone();
        while !self.is_over() {
            self.start_as(who, &arguments);
            if self.ended_well(who).await || self.is_whole(job).await || self.until_cancelled(job).await {
                return;
            }
            tokio::time::sleep(PAUSE).await;
            let number = if self.scenario.jobs[job].by == By::Resuming { self.number_of(job).await } else { None };
            arguments = number.map_or_else(|| first.clone(), |number| resuming(number).to_vec());
        }
    }

    /// Waits for the end of a publisher.
    async fn ended_well(&self, who: Who) -> bool {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut members = self.members.lock().expect("nobody panics with the members");
            let Some(member) = members.get_mut(&who) else { return false };
            if let Some(status) = member.has_ended() {
                if !status.success() {
                    let why = member.last_word("failpoint ").unwrap_or_else(|| member.last_line());
                    self.told.tell(&format!("{who} has ended ({status}): {why}"));
                }
                return status.success();
            }
            if !member.lives() || self.is_over() {
                return false;
            }
        }
    }

    /// The job's number in Postgres, where it is known.
    pub(super) async fn number_of(&self, job: usize) -> Option<i64> {
        let query = "select job_id from fabric.jobs where path = $1 order by job_id desc limit 1";
        sqlx::query_scalar(query).bind(self.path(job)).fetch_optional(&self.installation.database.pool).await.ok()?
    }

    async fn is_whole(&self, job: usize) -> bool {
        let query = "select exists (select from fabric.jobs where path = $1 and chunks is not null)";
        let answer = sqlx::query_scalar(query).bind(self.path(job)).fetch_one(&self.installation.database.pool).await;
        answer.unwrap_or(false)
    }
}

fn resuming(job: i64) -> [String; 3] {
    ["ingest".to_owned(), "--resume".to_owned(), job.to_string()]
}
