//! Positions of partitions in Postgres, as those who load need them.

use sqlx::{PgConnection, PgExecutor, PgPool};

/// A partition's row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Position {
    pub topic_id: String,
    pub next_offset: i64,
    pub gap: bool,
    pub paused: bool,
}

/// The position of a partition that is begun: where it has none yet, the first record of its log.
pub async fn of(
    connection: &mut PgConnection,
    (feed, topic, partition): (&str, &str, i32),
    topic_id: &str,
    low: i64,
) -> Result<Position, sqlx::Error> {
    sqlx::query(
        // Asked first: `on conflict` alone would wait for a loader that has moved the row and not ended, which may be frozen.
        "insert into fabric.stream_positions (feed, topic, partition, topic_id, next_offset)
         select $1, $2, $3, $4, $5
          where not exists (select from fabric.stream_positions where feed = $1 and topic = $2 and partition = $3)
         on conflict do nothing",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(topic_id)
    .bind(low)
    .execute(&mut *connection)
    .await?;
    sqlx::query_as(
        "select p.topic_id, p.next_offset, p.state = 'gap' as gap, s.state = 'paused' as paused
           from fabric.stream_positions p join fabric.streams s using (feed)
          where p.feed = $1 and p.topic = $2 and p.partition = $3",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .fetch_one(&mut *connection)
    .await
}

/// Puts down that the partition waits, and why; the next batch that is loaded ends that.
pub async fn put_parked(
    executor: impl PgExecutor<'_>,
    (feed, topic, partition): (&str, &str, i32),
    at: i64,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update fabric.stream_positions set state = 'parked', reason = $5
          where feed = $1 and topic = $2 and partition = $3 and next_offset = $4 and state <> 'gap'",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(at)
    .bind(reason)
    .execute(executor)
    .await?;
    Ok(())
}

/// Moves the position past records that are not loaded: no part of fabric but a deliberate defect.
pub async fn pass_over(
    executor: impl PgExecutor<'_>,
    (feed, topic, partition): (&str, &str, i32),
    expected: i64,
    next: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update fabric.stream_positions set next_offset = $5
          where feed = $1 and topic = $2 and partition = $3 and next_offset = $4",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(expected)
    .bind(next)
    .execute(executor)
    .await?;
    Ok(())
}

/// Puts down that the records from the position to `to` are not there any more.
pub async fn put_gap(
    executor: impl PgExecutor<'_>,
    (feed, topic, partition): (&str, &str, i32),
    position: &Position,
    (to, topic_id): (i64, &str),
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "update fabric.stream_positions set state = 'gap', gap_to = $6, gap_topic_id = $7, reason = $8
          where feed = $1 and topic = $2 and partition = $3 and topic_id = $4 and next_offset = $5
            and (state, gap_to, gap_topic_id) is distinct from ('gap', $6, $7)",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(&position.topic_id)
    .bind(position.next_offset)
    .bind(to)
    .bind(topic_id)
    .bind(reason)
    .execute(executor)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// Puts down why the records from there on wait, where they are still to be loaded; whoever loads them takes it away.
pub async fn put_waiting(
    executor: impl PgExecutor<'_>,
    (feed, topic, partition): (&str, &str, i32),
    expected: i64,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        // A loader that holds the row may be frozen: it is not waited for.
        "update fabric.stream_positions set reason = $5
          where ctid in (select ctid from fabric.stream_positions
                          where feed = $1 and topic = $2 and partition = $3 and next_offset = $4 and state = 'running'
                            for update skip locked)",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(expected)
    .bind(reason)
    .execute(executor)
    .await?;
    Ok(())
}

/// Puts down that a topic was made anew with fewer partitions: what was not loaded of the others is gone.
pub async fn put_vanished(
    executor: impl PgExecutor<'_>,
    (feed, topic): (&str, &str),
    topic_id: &str,
    partitions: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update fabric.stream_positions
            set state = 'gap', gap_to = 0, gap_topic_id = $3,
                reason = format('topic %s was made anew without partition %s, which was loaded up to offset %s: what came '
                                'after that is gone', topic, partition, next_offset)
          where feed = $1 and topic = $2 and topic_id <> $3 and partition >= $4 and state <> 'gap'",
    )
    .bind(feed)
    .bind(topic)
    .bind(topic_id)
    .bind(partitions)
    .execute(executor)
    .await?;
    Ok(())
}

/// Whether each of these partitions is to be opened anew: it stands elsewhere than in Postgres, has a gap, or its stream
/// is paused. `at`: feed, topic, partition, where it stands here.
pub async fn moved(pool: &PgPool, at: &[(String, String, i32, i64)]) -> Result<Vec<(String, i32)>, sqlx::Error> {
    let feeds: Vec<&str> = at.iter().map(|(feed, ..)| feed.as_str()).collect();
    let topics: Vec<&str> = at.iter().map(|(_, topic, ..)| topic.as_str()).collect();
    let partitions: Vec<i32> = at.iter().map(|(.., partition, _)| *partition).collect();
    let offsets: Vec<i64> = at.iter().map(|(.., offset)| *offset).collect();
    sqlx::query_as(
        "select m.topic, m.partition
           from unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) as m (feed, topic, partition, at)
           left join fabric.stream_positions p using (feed, topic, partition)
           left join fabric.streams s using (feed)
          where p.next_offset is distinct from m.at or p.state = 'gap' or s.state = 'paused'",
    )
    .bind(feeds)
    .bind(topics)
    .bind(partitions)
    .bind(offsets)
    .fetch_all(pool)
    .await
}
