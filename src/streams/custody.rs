//! What outlives a process that a record kills: which partitions it held, which records it tried alone. In Postgres.
//!
//! A partition costs a row when it is begun and when it is let go; a batch costs nothing, but where the partition was left
//! by a process that ended without a word.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::runtime::Handle;
use tracing::{debug, info};

use super::partition::Partition;
use super::suspicion::{Suspicion, Trial};
use crate::faults;
use crate::validate::{FAREWELL, draw_holder, place, take_over};

/// This process as a holder of partitions.
pub struct Custody {
    pool: PgPool,
    runtime: Handle,
    holder: i64,
    place: String,
}

impl Custody {
    pub fn new(pool: PgPool, runtime: Handle) -> Result<Self, getrandom::Error> {
        Ok(Self { pool, runtime, holder: draw_holder()?, place: place() })
    }

    /// Puts down that this process holds the partition, which begins at `position` of a log that ends at `end`. Where its
    /// last holder did not let it go, what comes first is under suspicion.
    pub async fn begin(&self, partition: &Partition, position: i64, end: i64) -> Result<(), sqlx::Error> {
        if partition.is_in_custody() {
            return Ok(());
        }
        let topic = partition.stream.topic.as_str();
        let mut connection = self.pool.acquire().await?;
        let left = take_over(&mut connection, self.holder, &self.place, &[topic], &[partition.number]).await?;
        let mut suspicion = None;
        if let Some((.., by)) = left.first() {
            let noted: Option<(i64, i64, i64, i32)> = sqlx::query_as(
                "select from_offset, to_offset, holder, deaths from fabric.stream_trials where topic = $1 and partition = $2",
            )
            .bind(topic)
            .bind(partition.number)
            .fetch_optional(&mut *connection)
            .await?;
            let killed = noted.map(|(from, to, holder, deaths)| {
                // A try of this process is one that it lives through.
                let died = holder != 0 && holder != self.holder;
                Trial { from, to, deaths: deaths.unsigned_abs() + u32::from(died) }
            });
            let most = partition.stream.limits().records as usize;
            suspicion = Suspicion::new(position, end, most, killed.filter(|killed| killed.deaths > 0));
            if suspicion.is_some() {
                info!(%partition, left_by = by, "the last holder ended without a word: what it may have had in hand is tried alone");
            }
        }
        partition.take_into_custody(suspicion);
        Ok(())
    }

    /// Puts down which records are tried now.
    pub async fn try_alone(&self, partition: &Partition, trial: &Trial) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into fabric.stream_trials (topic, partition, from_offset, to_offset, holder, deaths)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (topic, partition) do update
                set from_offset = excluded.from_offset, to_offset = excluded.to_offset, holder = excluded.holder,
                    deaths = excluded.deaths, tried_at = clock_timestamp()",
        )
        .bind(&partition.stream.topic)
        .bind(partition.number)
        .bind(trial.from)
        .bind(trial.to)
        .bind(self.holder)
        .bind(trial.deaths.cast_signed())
        .execute(&self.pool)
        .await?;
        faults::step("stream.attempt.noted").await;
        Ok(())
    }

    /// What was tried has killed nobody this time. Once: a note that stays is another's to read, and goes with the next.
    pub async fn acquit(&self, partition: &Partition) {
        let gone = sqlx::query("delete from fabric.stream_trials where topic = $1 and partition = $2 and holder = $3")
            .bind(&partition.stream.topic)
            .bind(partition.number)
            .bind(self.holder)
            .execute(&self.pool);
        if let Err(error) = gone.await {
            debug!(%error, "a note on records that were tried alone stays");
        }
    }

    /// Lets go of partitions; one that is still under suspicion stays so. Blocks, not for long: a row that stays costs its
    /// next holder time, and nothing else.
    pub fn let_go<'p>(&self, partitions: impl Iterator<Item = &'p Arc<Partition>>) {
        let held: Vec<&Arc<Partition>> = partitions.filter(|partition| partition.is_in_custody()).collect();
        if held.is_empty() {
            return;
        }
        let topics: Vec<&str> = held.iter().map(|partition| partition.stream.topic.as_str()).collect();
        let numbers: Vec<i32> = held.iter().map(|partition| partition.number).collect();
        let settled: Vec<bool> = held.iter().map(|partition| partition.is_above_suspicion()).collect();
        let gone = sqlx::query(
            "with mine as (select * from unnest($2::text[], $3::int[], $4::bool[]) as m (topic, partition, settled)),
                  gone as (delete from fabric.held_partitions h using mine m
                            where h.holder = $1 and m.settled and (h.topic, h.partition) = (m.topic, m.partition)),
                  kept as (update fabric.held_partitions h set holder = 0 from mine m
                            where h.holder = $1 and not m.settled and (h.topic, h.partition) = (m.topic, m.partition))
             update fabric.stream_trials t set holder = 0 from mine m
              where t.holder = $1 and (t.topic, t.partition) = (m.topic, m.partition)",
        )
        .bind(self.holder)
        .bind(topics)
        .bind(numbers)
        .bind(settled)
        .execute(&self.pool);
        match self.runtime.block_on(async { tokio::time::timeout(FAREWELL, gone).await }) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => debug!(%error, "partitions are left as if this process had died"),
            Err(_) => debug!("partitions are left as if this process had died: Postgres did not answer in time"),
        }
    }
}
