//! The proof that a commit carries: the last finished chunk. Postgres must still know it, or it was restored to an
//! earlier point and what Kafka believes to be loaded is not.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgExecutor, PgPool};
use tokio::runtime::Handle;
use tracing::{error, warn};

use super::assignment::{Assignment, Standing};
use crate::chunk::{ChunkId, JobId, Seq};
use crate::jobs;
use crate::retry::Waits;

/// A refused partition is looked at again this often: someone may have mended it.
const REFUSED_INTERVAL: Duration = Duration::from_secs(15);

/// The metadata of a commit.
pub fn write(chunk: ChunkId) -> String {
    format!("{} {}", chunk.job, chunk.seq)
}

/// `None` where a commit carries none, as one that `kafka-consumer-groups` made.
pub fn read(metadata: &str) -> Option<ChunkId> {
    let (job, seq) = metadata.split_once(' ')?;
    Some(ChunkId { job: JobId(job.parse().ok()?), seq: Seq(seq.parse().ok()?) })
}

/// Asks the ledger on behalf of the polling thread, which never waits for Postgres.
#[derive(Clone)]
pub struct Ledger {
    pub pool: PgPool,
    pub runtime: Handle,
}

impl Ledger {
    /// Opens the partition once the chunk's ledger row is found; refuses it, loudly, while it is not.
    pub fn prove(&self, chunk: ChunkId, assignment: Arc<Assignment>) {
        let pool = self.pool.clone();
        self.runtime.spawn(async move { prove(&pool, chunk, &assignment).await });
    }

    /// Notes something against a job, if Postgres answers; it is in the log in any case.
    pub fn note(&self, job: JobId, note: String) {
        let pool = self.pool.clone();
        self.runtime.spawn(async move {
            if let Err(error) = jobs::note(&pool, job, &note).await {
                warn!(%job, %error, "Postgres does not take a note on a job");
            }
        });
    }
}

async fn prove(pool: &PgPool, chunk: ChunkId, assignment: &Assignment) {
    let (topic, partition) = (&*assignment.topic, assignment.partition);
    let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
    while !assignment.is_over() {
        let wait = match is_in_ledger(pool, chunk).await {
            Ok(true) => return assignment.set_standing(Standing::Open),
            Ok(false) => {
                assignment.set_standing(Standing::Refused);
                error!(
                    topic,
                    partition,
                    "refusing the partition: its offsets say that {chunk} is loaded, but Postgres has no ledger row of \
                     it. Was Postgres restored to an earlier point, or is this another database? Point \
                     FABRIC_POSTGRES_URL at the right one, or rewind the group with kafka-consumer-groups \
                     --reset-offsets: what is loaded already is skipped"
                );
                REFUSED_INTERVAL
            }
            Err(error) => {
                let wait = waits.next_wait();
                warn!(topic, partition, %error, ?wait, "the ledger cannot be asked about a partition: trying again");
                wait
            }
        };
        tokio::time::sleep(wait).await;
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
