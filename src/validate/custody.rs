//! What outlives a process that a chunk kills: which partitions it held, which chunk it tried alone. In Postgres.
//!
//! A partition costs a row when it is begun and when it is let go; a chunk costs nothing, but where the partition was
//! left by a process that ended without a word.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::runtime::Handle;
use tracing::{debug, info, warn};

use super::assignment::{Assignment, Ticket};
use super::suspicion::{Note, Suspicion};
use super::{member, ready};
use crate::chunk::{ChunkId, JobId, Seq};
use crate::faults::{self, Defect};
use crate::postgres::{self, ServicePool};
use crate::retry::Waits;
use crate::settings::PostgresSettings;

/// How long a partition may be kept for its row to go. What it leaves makes the next holder slow for a moment.
pub(crate) const FAREWELL: Duration = Duration::from_millis(500);

/// This process as a holder of partitions.
pub struct Custody {
    pool: Arc<ServicePool>,
    postgres: PostgresSettings,
    runtime: Handle,
    /// Tells this start of this process from every other.
    holder: i64,
    place: String,
}

/// Topic and partition.
type Place = (String, i32);

/// A note as it stands in Postgres.
#[derive(sqlx::FromRow)]
struct Row {
    topic: String,
    partition: i32,
    offset: i64,
    holder: i64,
    tries: i32,
    job_id: Option<i64>,
    seq: Option<i32>,
}

/// A partition that its last holder did not let go of.
struct Left {
    by: String,
    notes: HashMap<i64, Note>,
}

fn columns<'p>(partitions: impl IntoIterator<Item = &'p Arc<Assignment>>) -> (Vec<&'p str>, Vec<i32>) {
    partitions.into_iter().map(|assignment| (&*assignment.topic, assignment.partition)).unzip()
}

/// Tells one start of a process from every other. Zero is nobody.
pub(crate) fn draw_holder() -> Result<i64, getrandom::Error> {
    Ok((getrandom::u64()? >> 1).max(1).cast_signed())
}

/// Puts down that a process holds the partitions. Answers which of them another holds by what is on record, and who: it
/// has ended without a word.
pub(crate) async fn take_over(
    connection: &mut PgConnection,
    holder: i64,
    place: &str,
    topics: &[&str],
    numbers: &[i32],
) -> Result<Vec<(String, i32, String)>, sqlx::Error> {
    // `before` sees what was there before the statement. What this process held and holds again, it has survived.
    sqlx::query_as(
        "with mine as (select * from unnest($1::text[], $2::int[]) as m (topic, partition)),
              before as (select topic, partition, h.place from fabric.held_partitions h join mine using (topic, partition)
                          where h.holder <> $3),
              held as (insert into fabric.held_partitions (topic, partition, holder, place)
                       select topic, partition, $3, $4 from mine order by topic, partition
                       on conflict (topic, partition) do update
                          set holder = excluded.holder, place = excluded.place, held_since = clock_timestamp())
         select topic, partition, place from before",
    )
    .bind(topics)
    .bind(numbers)
    .bind(holder)
    .bind(place)
    .fetch_all(connection)
    .await
}

impl Custody {
    pub fn new(pool: Arc<ServicePool>, postgres: &PostgresSettings, runtime: Handle) -> Result<Self, getrandom::Error> {
        let holder = draw_holder()?;
        Ok(Self { pool, postgres: postgres.clone(), runtime, holder, place: ready::place() })
    }

    /// Puts down that this process holds the partitions; of those that their last holder did not let go, what comes first
    /// is tried alone. Asks until Postgres answers.
    pub async fn begin(&self, partitions: &[Arc<Assignment>]) {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let partitions: Vec<_> = partitions.iter().filter(|assignment| !assignment.is_over()).collect();
            if partitions.is_empty() {
                return;
            }
            match self.hold(&partitions).await {
                Ok(left) => return self.suspect(&partitions, left),
                Err(error) => {
                    let (wait, error) = (waits.next_wait(), self.in_words(&error));
                    warn!(error, ?wait, "Postgres cannot be asked who held partitions before: trying again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn suspect(&self, partitions: &[&Arc<Assignment>], mut left: HashMap<Place, Left>) {
        let mut named = vec![];
        let mut left_by = BTreeSet::new();
        for assignment in partitions {
            let place = (assignment.topic.to_string(), assignment.partition);
            let suspicion = left.remove(&place).map(|left| {
                named.push(place);
                left_by.insert(left.by);
                Suspicion::new(left.notes, Instant::now())
            });
            assignment.begun(suspicion);
        }
        if !named.is_empty() {
            info!(
                partitions = member::listed(&named),
                left_by = Vec::from_iter(left_by).join(", "),
                "the last holder ended without a word: what it may have had in hand is tried chunk by chunk"
            );
        }
    }

    /// Answers which of the partitions were not let go of, by whom, and what is on record of their chunks.
    async fn hold(&self, partitions: &[&Arc<Assignment>]) -> Result<HashMap<Place, Left>, sqlx::Error> {
        let (topics, numbers) = columns(partitions.iter().copied());
        let mut connection = self.pool.acquire().await?;
        let before = take_over(&mut connection, self.holder, &self.place, &topics, &numbers).await?;
        let left =
            before.into_iter().map(|(topic, partition, by)| ((topic, partition), Left { by, notes: HashMap::new() }));
        let mut left: HashMap<Place, Left> = left.collect();
        if left.is_empty() {
            return Ok(left);
        }
        let rows: Vec<Row> = sqlx::query_as(
            r#"select topic, partition, "offset", holder, tries, job_id, seq from fabric.suspect_chunks
                 join unnest($1::text[], $2::int[]) as m (topic, partition) using (topic, partition)"#,
        )
        .bind(&topics)
        .bind(&numbers)
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            let note = self.note(&row);
            if let Some(left) = left.get_mut(&(row.topic, row.partition)) {
                left.notes.insert(row.offset, note);
            }
        }
        Ok(left)
    }

    fn note(&self, row: &Row) -> Note {
        // A try of this process is one that it lives through.
        let deaths = row.tries.unsigned_abs() - u32::from(row.holder == self.holder && row.tries > 0);
        let chunk = row.job_id.zip(row.seq);
        Note { deaths, chunk: chunk.map(|(job, seq)| ChunkId { job: JobId(job), seq: Seq(seq.cast_unsigned()) }) }
    }

    /// Lets go of partitions that are not worked on any more and are committed as far as they are done; takes back the
    /// tries of chunks that were given up. One that is still under suspicion stays so. Blocks, not for long: a row that
    /// stays costs its next holder time, and nothing else.
    pub fn let_go(&self, partitions: &[Arc<Assignment>]) {
        if partitions.is_empty() || faults::has(Defect::CustodyKept) {
            return;
        }
        let (topics, numbers) = columns(partitions);
        let settled: Vec<bool> = partitions.iter().map(|assignment| assignment.is_above_suspicion()).collect();
        let done = partitions.iter().map(|assignment| assignment.committable().map_or(0, |done| done.next_offset));
        let done: Vec<i64> = done.collect();
        let gone = async {
            let mut connection = self.pool.acquire().await?;
            sqlx::query(
                r#"with mine as (select * from unnest($2::text[], $3::int[], $4::bool[], $5::bigint[])
                                       as m (topic, partition, settled, done)),
                        gone as (delete from fabric.held_partitions h using mine m
                                  where h.holder = $1 and m.settled
                                    and (h.topic, h.partition) = (m.topic, m.partition)),
                        kept as (update fabric.held_partitions h set holder = 0 from mine m
                                  where h.holder = $1 and not m.settled
                                    and (h.topic, h.partition) = (m.topic, m.partition)),
                        done as (delete from fabric.suspect_chunks s using mine m
                                  where (s.topic, s.partition) = (m.topic, m.partition) and s."offset" < m.done)
                   update fabric.suspect_chunks s set tries = s.tries - 1, holder = 0
                     from mine m
                    where s.holder = $1 and (s.topic, s.partition) = (m.topic, m.partition) and s."offset" >= m.done"#,
            )
            .bind(self.holder)
            .bind(topics)
            .bind(numbers)
            .bind(settled)
            .bind(done)
            .execute(&mut *connection)
            .await
        };
        match self.runtime.block_on(async { tokio::time::timeout(FAREWELL, gone).await }) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => debug!(%error, "partitions are left as if this process had died"),
            Err(_) => debug!("partitions are left as if this process had died: Postgres did not answer in time"),
        }
    }

    /// Puts down that a chunk is tried alone.
    pub async fn try_alone(&self, ticket: &Ticket) -> Result<(), sqlx::Error> {
        if faults::has(Defect::TriesUncounted) {
            return Ok(());
        }
        let mut connection = self.pool.acquire().await?;
        sqlx::query(
            r#"insert into fabric.suspect_chunks as s (topic, partition, "offset", holder, tries) values ($1, $2, $3, $4, 1)
               on conflict (topic, partition, "offset") do update
                  set tries = s.tries + case when s.holder = excluded.holder then 0 else 1 end,
                      holder = excluded.holder, tried_at = clock_timestamp()"#,
        )
        .bind(&*ticket.assignment.topic)
        .bind(ticket.assignment.partition)
        .bind(ticket.offset)
        .bind(self.holder)
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Puts down which chunk it is that is tried: it has proved it by its token.
    pub async fn identify(&self, ticket: &Ticket, chunk: ChunkId) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        sqlx::query(
            r#"update fabric.suspect_chunks set job_id = $4, seq = $5 where topic = $1 and partition = $2 and "offset" = $3"#,
        )
        .bind(&*ticket.assignment.topic)
        .bind(ticket.assignment.partition)
        .bind(ticket.offset)
        .bind(chunk.job.0)
        .bind(chunk.seq.0.cast_signed())
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// A chunk that was tried is finished, and killed nobody.
    pub async fn acquit(&self, ticket: &Ticket) {
        self.tell(ticket, r#"delete from fabric.suspect_chunks where topic = $1 and partition = $2 and "offset" = $3 and holder = $4"#)
            .await;
    }

    /// A chunk was given up before it was finished: that try does not count.
    pub async fn take_back(&self, ticket: &Ticket) {
        self.tell(
            ticket,
            r#"update fabric.suspect_chunks set tries = tries - 1, holder = 0
                where topic = $1 and partition = $2 and "offset" = $3 and holder = $4"#,
        )
        .await;
    }

    /// Once: a note that stays counts one try too many, and goes with the next commit.
    async fn tell(&self, ticket: &Ticket, statement: &'static str) {
        let told = async {
            let mut connection = self.pool.acquire().await?;
            sqlx::query(statement)
                .bind(&*ticket.assignment.topic)
                .bind(ticket.assignment.partition)
                .bind(ticket.offset)
                .bind(self.holder)
                .execute(&mut *connection)
                .await
        };
        if let Err(error) = told.await {
            debug!(%error, "a note on a chunk that was tried alone stays");
        }
    }

    /// The partition is committed up to `next_offset`: notes of what stands before it are done with.
    pub fn committed(self: &Arc<Self>, assignment: &Assignment, next_offset: i64) {
        let (custody, topic, partition) = (Arc::clone(self), Arc::clone(&assignment.topic), assignment.partition);
        self.runtime.spawn(async move {
            let gone = async {
                let mut connection = custody.pool.acquire().await?;
                sqlx::query(
                    r#"delete from fabric.suspect_chunks where topic = $1 and partition = $2 and "offset" < $3"#,
                )
                .bind(&*topic)
                .bind(partition)
                .bind(next_offset)
                .execute(&mut *connection)
                .await
            };
            if let Err(error) = gone.await {
                debug!(%error, "notes on chunks that were tried alone stay until the next time");
            }
        });
    }

    pub fn in_words(&self, error: &sqlx::Error) -> String {
        postgres::describe(error, &self.postgres)
    }
}
