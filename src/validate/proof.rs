//! The proof that a commit carries: the chunks that finished last. Postgres must still know each, or it was restored to an
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

/// The metadata of a commit: job and sequence number of each.
pub fn write(chunks: &[ChunkId]) -> String {
    chunks.iter().map(|chunk| format!("{} {}", chunk.job, chunk.seq)).collect::<Vec<_>>().join(" ")
}

/// Empty where a commit names none, as one that `kafka-consumer-groups` made.
pub fn read(metadata: &str) -> Vec<ChunkId> {
    let words: Vec<&str> = metadata.split(' ').collect();
    let chunk = |pair: &[&str]| {
        let [job, seq] = pair else { return None };
        Some(ChunkId { job: JobId(job.parse().ok()?), seq: Seq(seq.parse().ok()?) })
    };
    words.chunks(2).map(chunk).collect::<Option<_>>().unwrap_or_default()
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

/// What Postgres says of the chunks that a commit names.
enum Answer {
    Known,
    /// This one is not there.
    Unknown(ChunkId),
    /// `fabric recover` has put down where the partition begins again.
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
    /// Puts down that the partitions are held, and opens them: where the last commit of one names chunks, once the ledger
    /// row of each is found; it is refused, loudly, while one is not.
    pub fn open(&self, added: Vec<(Arc<Assignment>, Vec<ChunkId>)>) {
        let ledger = self.clone();
        self.runtime.spawn(async move {
            let _vital = Vital;
            let partitions: Vec<_> = added.iter().map(|(assignment, _)| Arc::clone(assignment)).collect();
            ledger.custody.begin(&partitions).await;
            faults::step("custody.taken").await;
            for (assignment, named) in added {
                if named.is_empty() || faults::has(Defect::ProofUnchecked) {
                    assignment.set_standing(Standing::Open);
                } else {
                    ledger.prove(named, assignment);
                }
            }
        });
    }

    fn prove(&self, named: Vec<ChunkId>, assignment: Arc<Assignment>) {
        let ledger = self.clone();
        self.runtime.spawn(async move { ledger.proven(&named, &assignment).await });
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

    async fn answer(&self, named: &[ChunkId], assignment: &Assignment) -> Result<Answer, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let rewound = rewinds(&mut *connection).await?;
        if let Some((.., to)) = rewound.into_iter().find(|rewind| is_of(rewind, assignment)) {
            return Ok(Answer::Rewound(to));
        }
        let unknown = timed(Statement::ChunkIsKnown, not_in_ledger(&mut *connection, named)).await?;
        Ok(unknown.map_or(Answer::Known, Answer::Unknown))
    }

    /// Has those of these partitions go back of which `fabric recover` says so: their holder need not have noticed that
    /// anything is missing.
    pub fn look_for_rewinds(&self, held: Vec<Arc<Assignment>>) {
        let ledger = self.clone();
        self.runtime.spawn(async move {
            let found = async { rewinds(&mut *ledger.pool.acquire().await?).await };
            // Whoever loads says what is wrong with Postgres.
            for rewind in found.await.unwrap_or_default() {
                let its = held.iter().filter(|assignment| is_of(&rewind, assignment));
                its.for_each(|assignment| assignment.rewind_to(rewind.2));
            }
        });
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

    async fn proven(&self, named: &[ChunkId], assignment: &Assignment) {
        let _vital = Vital;
        let (topic, partition) = (&*assignment.topic, assignment.partition);
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut refusals = 0;
        while !assignment.is_over() {
            let wait = match self.answer(named, assignment).await {
                Ok(Answer::Known) => return assignment.set_standing(Standing::Open),
                // The polling thread begins it anew.
                Ok(Answer::Rewound(to)) => return assignment.rewind_to(to),
                Ok(Answer::Unknown(chunk)) => {
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

/// One of these that has no ledger row.
async fn not_in_ledger(executor: impl PgExecutor<'_>, named: &[ChunkId]) -> Result<Option<ChunkId>, sqlx::Error> {
    let jobs: Vec<i64> = named.iter().map(|chunk| chunk.job.0).collect();
    let seqs: Vec<i64> = named.iter().map(|chunk| i64::from(chunk.seq.0)).collect();
    let missing: Option<(i64, i64)> = sqlx::query_as(
        "select named.job_id, named.seq from unnest($1::bigint[], $2::bigint[]) as named (job_id, seq)
          where not exists (select from fabric.chunk_ledger l where (l.job_id, l.seq) = (named.job_id, named.seq)) limit 1",
    )
    .bind(jobs)
    .bind(seqs)
    .fetch_optional(executor)
    .await?;
    let chunk = |(job, seq): (i64, i64)| named.iter().find(|c| (c.job.0, i64::from(c.seq.0)) == (job, seq)).copied();
    Ok(missing.and_then(chunk))
}

/// A topic, one of its partitions, and where that begins again.
type Rewind = (String, i32, i64);

async fn rewinds(executor: impl PgExecutor<'_>) -> Result<Vec<Rewind>, sqlx::Error> {
    sqlx::query_as("select topic, partition, next_offset from fabric.lane_rewinds").fetch_all(executor).await
}

fn is_of((topic, partition, _): &Rewind, assignment: &Assignment) -> bool {
    (topic.as_str(), *partition) == (&*assignment.topic, assignment.partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_reads_back_and_foreign_metadata_is_none() {
        let chunks = [(9_007_199_254_740_993, u32::MAX), (1, 0)];
        let chunks = chunks.map(|(job, seq)| ChunkId { job: JobId(job), seq: Seq(seq) });
        assert_eq!(read(&write(&chunks)), chunks);
        assert_eq!(read(&write(&chunks[..1])), chunks[..1]);
        for foreign in ["", "7", "a b", "7 -1", "7 1 2"] {
            assert_eq!(read(foreign), [], "{foreign}");
        }
    }
}
