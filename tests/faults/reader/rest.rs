//! Whether everything has come to rest, while processes still live.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool};

use super::log;
use crate::world::World;

/// What has not come to rest yet, in words; and a figure that moves with whatever moves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rest {
    pub pending: Vec<String>,
    pub figure: i64,
}

/// Counts that are to be 0. A note of a chunk that was tried alone may stay until its partition is committed again.
const PENDING: [(&str, &str); 7] = [
    (
        "jobs that have not ended",
        "select count(*) from fabric.jobs where state not in ('completed', 'incomplete', 'stopped', 'failed', 'duplicate', 'undone')",
    ),
    ("events in the outbox", "select count(*) from fabric.outbox"),
    ("owed chunks", "select count(*) from fabric.owed_chunks join fabric.jobs using (job_id) where state <> 'stopped'"),
    ("trials of streams", "select count(*) from fabric.stream_trials"),
    ("partitions that are to go back", "select count(*) from fabric.lane_rewinds"),
    ("partitions of streams that do not run", "select count(*) from fabric.stream_positions where state <> 'running'"),
    (
        "transactions of fabric's that are open for a second",
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'fabric%'
           and state like 'idle in transaction%' and xact_start < clock_timestamp() - interval '1 s'",
    ),
];

/// Moves with every load, move and event.
const FIGURE: &str = "select (select count(*) from fabric.chunk_ledger)
  + coalesce((select sum(loaded + rejected) from fabric.stream_positions), 0)::bigint
  + 1000 * (select count(*) from fabric.jobs where state = 'completed') - (select count(*) from fabric.outbox)";

impl Rest {
    /// An error of Postgres is something pending.
    pub async fn of(world: &World, ends: &BTreeMap<(usize, i32), i64>) -> Self {
        let pool = &world.installation.database.pool;
        let mut rest = Self::default();
        if let Err(error) = rest.ask(world, pool, ends).await {
            rest.pending.push(format!("Postgres does not answer: {error}"));
        }
        if rest.pending.is_empty() {
            rest.lag(world);
        }
        rest
    }

    async fn ask(
        &mut self,
        world: &World,
        pool: &PgPool,
        ends: &BTreeMap<(usize, i32), i64>,
    ) -> Result<(), sqlx::Error> {
        for (what, query) in PENDING {
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(pool).await?;
            if count > 0 {
                self.pending.push(format!("{count} {what}"));
            }
        }
        self.figure = sqlx::query_scalar(FIGURE).fetch_one(pool).await?;
        for ((stream, partition), end) in ends {
            let topic = world.topic(&world.scenario.streams[*stream].name);
            let position: Option<i64> = sqlx::query_scalar(
                "select next_offset from fabric.stream_positions where (topic, partition) = ($1, $2)",
            )
            .bind(topic)
            .bind(partition)
            .fetch_optional(pool)
            .await?;
            if position.is_none_or(|position| position < *end) {
                let at = position.map_or_else(|| "nowhere".to_owned(), |position| position.to_string());
                self.pending.push(format!("stream {} partition {partition} is at {at} of {end}", stream + 1));
            }
        }
        Ok(())
    }

    /// Of the lanes: everything is committed. Positions of streams stand in Postgres.
    fn lag(&mut self, world: &World) {
        for lane in ["chunks.normal", "chunks.high"] {
            match tokio::task::block_in_place(|| log::lag(&world.topic("lanes"), &world.topic(lane))) {
                Ok(0) => {}
                Ok(lag) => self.pending.push(format!("the group is {lag} messages behind on {lane}")),
                Err(error) => self.pending.push(format!("Kafka does not answer: {error}")),
            }
        }
    }
}

/// Where the last message of each partition of each stream ends.
pub fn ends(world: &World) -> BTreeMap<(usize, i32), i64> {
    let mut ends = BTreeMap::new();
    for (number, stream) in world.scenario.streams.iter().enumerate() {
        let topic = world.topic(&stream.name);
        for message in tokio::task::block_in_place(|| log::read(&topic)).unwrap_or_default() {
            ends.insert((number, message.partition), message.offset + 1);
        }
    }
    ends
}
