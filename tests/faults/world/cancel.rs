//! A job that is cancelled: after the answer nothing of it may commit.

use std::time::Duration;

use super::World;
use super::publish::Ending;
use crate::reader::{Kind, Reading};
use crate::scenario::Who;

/// What there was of a job when its cancel had answered: ledger rows, rows, rejects.
type Counts = (i64, i64, i64);

pub enum Cancelled {
    Asked,
    Refused,
    Done { number: i64, at_the_answer: Counts },
}

impl World {
    pub(super) async fn cancel(&self, job: usize) {
        self.note(job, Cancelled::Asked);
        let number = self.number_of(job).await;
        let answer = number.map(|number| self.run(&["jobs", "cancel", &number.to_string(), "--yes"]));
        let cancelled = match (number, answer) {
            (Some(number), Some(output)) if output.status.success() => {
                let at_the_answer = self.counts(number).await;
                self.with(Who::Publisher(job), |member| {
                    member.kill();
                });
                Cancelled::Done { number, at_the_answer }
            }
            _ => {
                self.told.tell("it could not be cancelled");
                Cancelled::Refused
            }
        };
        self.note(job, cancelled);
    }

    fn note(&self, job: usize, cancelled: Cancelled) {
        self.cancelled.lock().expect("nobody panics with the cancelled").insert(job, cancelled);
    }

    async fn counts(&self, number: i64) -> Counts {
        let query = "select (select count(*) from fabric.chunk_ledger where job_id = $1),
                            (select count(*) from public.orders where _job_id = $1),
                            (select count(*) from fabric.rejects where job_id = $1)";
        loop {
            match sqlx::query_as(query).bind(number).fetch_one(&self.installation.database.pool).await {
                Ok(counts) => return counts,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Whether the job is one that is not to be published any more.
    pub(super) async fn until_cancelled(&self, job: usize) -> bool {
        loop {
            match self.cancelled.lock().expect("nobody panics with the cancelled").get(&job) {
                None | Some(Cancelled::Refused) => return false,
                Some(Cancelled::Done { .. }) => return true,
                Some(Cancelled::Asked) => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn ending_of(&self, job: usize) -> Ending {
        match self.cancelled.lock().expect("nobody panics with the cancelled").get(&job) {
            Some(Cancelled::Done { number, .. }) => Ending::Cancelled { number: *number },
            _ => Ending::Loaded,
        }
    }

    pub async fn look_at_cancelled(&self, reading: &mut Reading) {
        let done: Vec<(i64, Counts)> = {
            let cancelled = self.cancelled.lock().expect("nobody panics with the cancelled");
            let done = cancelled.values().filter_map(|each| match each {
                Cancelled::Done { number, at_the_answer } => Some((*number, *at_the_answer)),
                _ => None,
            });
            done.collect()
        };
        for (number, at_the_answer) in done {
            let now = self.counts(number).await;
            if now != at_the_answer {
                let words = format!(
                    "job {number} had {at_the_answer:?} ledger rows, rows and rejects when its cancel answered, and has {now:?}"
                );
                reading.find(Kind::Unaccounted, words);
            }
        }
    }
}
