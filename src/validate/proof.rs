//! The proof that a commit carries: the last finished chunk. Postgres must still know it, or it was restored to an
//! earlier point and what Kafka believes to be loaded is not.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgExecutor;
use tokio::runtime::Handle;
use tracing::{error, warn};

use super::assignment::{Assignment, Standing};
use super::custody::Custody;
use crate::chunk::{ChunkId, JobId, Seq};
use crate::faults::{self, Defect};
use crate::jobs;
use crate::postgres::{self, ServicePool};
use crate::retry::Waits;
use crate::settings::PostgresSettings;
use crate::shutdown::Vital;
use crate::telemetry::{Statement, timed};

/// A refused partition is looked at again this often: someone may have mended it.
const REFUSED_INTERVAL: Duration = Duration::from_secs(2);
/// Of those looks one in so many says so again.
const REFUSALS_SAID: u32 = 8;

/// The metadata of a commit.
pub fn write(chunk: ChunkId) -> String {
    format!("{} {}", chunk.job, chunk.seq)
}

/// `None` where a commit carries none, as one that `kafka-consumer-groups` made.
pub fn read(metadata: &str) -> Option<ChunkId> {
    let (job, seq) = metadata.split_once(' ')?;
    Some(ChunkId { job: JobId(job.parse().ok()?), seq: Seq(seq.parse().ok()?) })
}

/// Messages that were deleted from a partition's log before they were read.
pub struct Gap {
    /// The first of them.
    pub from: i64,
    /// The first that is there.
    pub to: i64,
    /// For people.
    pub note: String,
}

/// What Postgres says of the chunk that a commit names.
enum Answer {
    Known,
    Unknown,
    /// It is unknown, and `fabric recover` has put down where the partition begins again.
    Rewound(i64),
}

/// Asks the ledger on behalf of the polling thread, which never waits for Postgres.
#[derive(Clone)]
pub struct Ledger {
    pub pool: Arc<ServicePool>,
    pub postgres: PostgresSettings,
    pub runtime: Handle,
    pub custody: Arc<Custody>,
}

impl Ledger {
    /// Puts down that the partitions are held, and opens them: where the last commit of one names a chunk, once that
    /// one's ledger row is found; it is refused, loudly, while it is not.
    pub fn open(&self, added: Vec<(Arc<Assignment>, Option<ChunkId>)>) {
        let ledger = self.clone();
        self.runtime.spawn(async move {
            let _vital = Vital;
            let partitions: Vec<_> = added.iter().map(|(assignment, _)| Arc::clone(assignment)).collect();
            ledger.custody.begin(&partitions).await;
            faults::step("custody.taken").await;
            for (assignment, named) in added {
                match named.filter(|_| !faults::has(Defect::ProofUnchecked)) {
                    None => assignment.set_standing(Standing::Open),
                    Some(chunk) => ledger.prove(chunk, assignment),
                }
            }
        });
    }

    fn prove(&self, chunk: ChunkId, assignment: Arc<Assignment>) {
        let ledger = self.clone();
        self.runtime.spawn(async move { ledger.proven(chunk, &assignment).await });
    }

    /// Notes a gap against the jobs that may miss chunks; then the partition may be committed past it. What is not
    /// noted before the partition goes is met again by whoever gets it next.
    pub fn note_gap(&self, gap: Gap, assignment: Arc<Assignment>) {
        let ledger = self.clone();
        self.runtime.spawn(async move { ledger.noted(&gap, &assignment).await });
    }

    async fn noted(&self, gap: &Gap, assignment: &Assignment) {
        let _vital = Vital;
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !assignment.is_over() {
            let noted =
                jobs::note_gap(self.pool.pool(), assignment.lane, assignment.partition, gap.from, &gap.note).await;
            match noted {
                Ok(jobs) => {
                    jobs.iter().for_each(|job| warn!(%job, "a job may miss chunks: it is noted against it"));
                    return assignment.skip_to(gap.to);
                }
                Err(error) => {
                    let (wait, error) = (waits.next_wait(), postgres::describe(&error, &self.postgres));
                    warn!(error, ?wait, "Postgres does not take a note on a gap: trying again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn answer(&self, chunk: ChunkId, assignment: &Assignment) -> Result<Answer, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        if timed(Statement::ChunkIsKnown, is_in_ledger(&mut *connection, chunk)).await? {
            return Ok(Answer::Known);
        }
        let asked: Option<i64> =
            sqlx::query_scalar("select next_offset from fabric.lane_rewinds where topic = $1 and partition = $2")
                .bind(&*assignment.topic)
                .bind(assignment.partition)
                .fetch_optional(&mut *connection)
                .await?;
        Ok(asked.map_or(Answer::Unknown, Answer::Rewound))
    }

    /// The partition has gone back, and Kafka knows it.
    pub fn rewound(&self, topic: Arc<str>, partition: i32) {
        let ledger = self.clone();
        self.runtime.spawn(async move {
            let gone = async {
                let mut connection = ledger.pool.acquire().await?;
                sqlx::query("delete from fabric.lane_rewinds where topic = $1 and partition = $2")
                    .bind(&*topic)
                    .bind(partition)
                    .execute(&mut *connection)
                    .await
            };
            // One that stays is met again only after another restore, and goes back too far then, which costs time alone.
            if let Err(error) = gone.await {
                let error = postgres::describe(&error, &ledger.postgres);
                warn!(topic = &*topic, partition, error, "a rewind that is done was not taken away");
            }
        });
    }

    async fn proven(&self, chunk: ChunkId, assignment: &Assignment) {
        let _vital = Vital;
        let (topic, partition) = (&*assignment.topic, assignment.partition);
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut refusals = 0;
        while !assignment.is_over() {
            let wait = match self.answer(chunk, assignment).await {
                Ok(Answer::Known) => return assignment.set_standing(Standing::Open),
                // The polling thread begins it anew.
                Ok(Answer::Rewound(to)) => return assignment.rewind_to(to),
                Ok(Answer::Unknown) => {
                    assignment.set_standing(Standing::Refused);
                    if refusals % REFUSALS_SAID == 0 {
                        error!(
                            topic,
                            partition,
                            "refusing the partition: its offsets say that {chunk} is loaded, but Postgres has no ledger \
                             row of it. Was Postgres restored to an earlier point, or is this another database? Point \
                             FABRIC_POSTGRES_URL at the right one, or let `fabric recover` say what is missing"
                        );
                    }
                    refusals += 1;
                    REFUSED_INTERVAL
                }
                Err(error) => {
                    let (wait, error) = (waits.next_wait(), postgres::describe(&error, &self.postgres));
                    warn!(topic, partition, error, ?wait, "the ledger cannot be asked about a partition: trying again");
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

async fn is_in_ledger(executor: impl PgExecutor<'_>, chunk: ChunkId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from fabric.chunk_ledger where job_id = $1 and seq = $2)")
        .bind(chunk.job.0)
        .bind(i64::from(chunk.seq.0))
        .fetch_one(executor)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_reads_back_and_foreign_metadata_is_none() {
        let chunk = ChunkId { job: JobId(9_007_199_254_740_993), seq: Seq(u32::MAX) };
        assert_eq!(read(&write(chunk)), Some(chunk));
        for foreign in ["", "7", "a b", "7 -1", "7 1 2"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }
}
