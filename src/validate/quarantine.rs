//! Sets a chunk aside that has killed its worker too often: kept where it stands, its job told, the rest goes on.

use std::time::Duration;

use sqlx::PgPool;
use tracing::{error, warn};

use super::assignment::Ticket;
use super::attempts::ATTEMPTS;
use crate::chunk::{ChunkId, Delivery};
use crate::faults;
use crate::jobs::{self, ChangeError};
use crate::postgres;
use crate::retry::Waits;
use crate::settings::PostgresSettings;
use crate::telemetry::catalog::QUARANTINED_CHUNKS;

pub struct Quarantine {
    pub pool: PgPool,
    pub postgres: PostgresSettings,
}

/// What became of a chunk that was to be set aside.
pub enum Aside {
    /// It is recorded as owed, or its job has ended.
    Recorded,
    /// There is no such job any more.
    NoJob,
    /// Its partition is another's now.
    Abandoned,
}

impl Quarantine {
    /// Records the chunk as owed, for people to bring back, and parks its job. Tries until Postgres takes it.
    /// `killed`: how it killed its worker, for people.
    pub async fn take(&self, chunk: ChunkId, ticket: &Ticket, killed: &str) -> Aside {
        let delivery = ticket.delivery();
        let reason = reason(chunk, &delivery, killed);
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !ticket.is_abandoned() {
            let failed = match self.record(chunk, &delivery, &reason).await {
                Ok(feed) => {
                    QUARANTINED_CHUNKS.add(&[feed.as_str()], 1);
                    error!(%chunk, reason, "a chunk is quarantined");
                    return Aside::Recorded;
                }
                Err(ChangeError::NotAllowed { .. }) => return Aside::Recorded,
                Err(ChangeError::NoJob(_)) => return Aside::NoJob,
                Err(ChangeError::Postgres(error)) => postgres::describe(&error, &self.postgres),
                Err(error) => error.to_string(),
            };
            let wait = waits.next_wait();
            warn!(%chunk, error = failed, ?wait, "a chunk is not quarantined yet: trying again");
            tokio::time::sleep(wait).await;
        }
        Aside::Abandoned
    }

    async fn record(&self, chunk: ChunkId, delivery: &Delivery, reason: &str) -> Result<String, ChangeError> {
        let mut connection = self.pool.acquire().await?;
        faults::statement("quarantine.before", &mut connection).await?;
        jobs::quarantine(&mut connection, chunk, delivery, reason).await
    }
}

fn reason(chunk: ChunkId, delivery: &Delivery, killed: &str) -> String {
    let ChunkId { job, seq } = chunk;
    let Delivery { topic, partition, offset } = delivery;
    format!(
        "chunk {seq} {killed} {ATTEMPTS} times: it is set aside in {topic} partition {partition} offset {offset}, the rest \
         is loaded; see the validators' logs, mend the cause (memory, another release), then `fabric jobs resume {job}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{JobId, Seq};

    #[test]
    fn the_reason_names_the_chunk_its_place_and_what_to_do() {
        let chunk = ChunkId { job: JobId(7), seq: Seq(12) };
        let delivery = Delivery { topic: "fabric.chunks.normal".into(), partition: 3, offset: 42 };
        assert_eq!(
            reason(chunk, &delivery, "killed its process"),
            "chunk 12 killed its process 3 times: it is set aside in fabric.chunks.normal partition 3 offset 42, the rest is \
             loaded; see the validators' logs, mend the cause (memory, another release), then `fabric jobs resume 7`"
        );
    }
}
