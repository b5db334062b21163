//! What people do to a stream: pause, resume, seek, accept a gap. Each is on record in the transaction that does it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use sqlx::{Connection as _, PgConnection, PgPool};

use super::rest;
use crate::config::audit;
use crate::kafka;
use crate::settings::KafkaSettings;

/// Of one question to Kafka.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a stream is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("feed {0} is no stream; `fabric streams list` shows those that there are")]
    NoStream(String),
    #[error("stream {0} is running: `fabric streams pause {0}` first, so that nothing is loaded meanwhile")]
    Running(String),
    #[error("stream {0} has no gap{1}")]
    NoGap(String, String),
    #[error("topic {topic} has no partition {partition}")]
    NoPartition { topic: String, partition: i32 },
    #[error("{topic} partition {partition} holds offsets {low} to {high}: {to} is not among them")]
    Outside { topic: String, partition: i32, low: i64, high: i64, to: i64 },
    #[error("a batch of stream {feed} is still under way, held by {holders}: say it again once that has ended")]
    Held { feed: String, holders: String },
    /// In people's words.
    #[error("{0}")]
    Kafka(String),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// Where a partition is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    Beginning,
    End,
    Offset(i64),
}

/// A partition whose position was changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
}

/// Nothing is loaded once this has answered, until it is resumed: it waits for batches under way, and evicts a frozen
/// loader.
pub async fn pause(pool: &PgPool, feed: &str, reason: Option<&str>) -> Result<(), ChangeError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    topic_of(&mut transaction, feed).await?;
    let changed = sqlx::query(
        "update fabric.streams
            set state = 'paused', reason = $2, changed_by = session_user, changed_at = clock_timestamp()
          where feed = $1 and state = 'running'",
    );
    let changed = changed.bind(feed).bind(reason).execute(&mut *transaction).await?;
    if changed.rows_affected() > 0 {
        audit(&mut transaction, "pause", "stream", feed, None, None, reason).await?;
    }
    transaction.commit().await?;
    // From here on the fence lets nothing in.
    rest::alone(&mut connection, feed).await?.rollback().await?;
    Ok(())
}

/// Goes on where it stands. A new window begins: what thresholds saw before it is past.
pub async fn resume(pool: &PgPool, feed: &str, reason: Option<&str>) -> Result<(), ChangeError> {
    let mut connection = pool.acquire().await?;
    topic_of(&mut connection, feed).await?;
    let mut transaction = rest::alone(&mut connection, feed).await?;
    let changed = sqlx::query(
        "update fabric.streams
            set state = 'running', reason = null, changed_by = session_user, changed_at = clock_timestamp(),
                window_number = window_number + 1, window_began = clock_timestamp(), window_version = null,
                window_alerted = '{}'
          where feed = $1 and state = 'paused'",
    );
    if changed.bind(feed).execute(&mut *transaction).await?.rows_affected() > 0 {
        audit(&mut transaction, "resume", "stream", feed, None, None, reason).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Goes on elsewhere, with one partition or all. Records that are loaded already are loaded again where it goes back;
/// those that it passes over are not loaded at all. The stream is paused.
pub async fn seek(
    pool: &PgPool,
    settings: &KafkaSettings,
    feed: &str,
    partition: Option<i32>,
    to: Seek,
) -> Result<Vec<Moved>, ChangeError> {
    let mut connection = pool.acquire().await?;
    let topic = topic_of(&mut connection, feed).await?;
    is_paused(&mut connection, feed).await?;
    let mut transaction = rest::alone(&mut connection, feed).await?;
    is_paused(&mut transaction, feed).await?;
    let (kafka, name) = (settings.clone(), topic.clone());
    let places = tokio::task::spawn_blocking(move || places(&kafka, &name, partition, to));
    let (topic_id, places) = places.await.map_err(|error| ChangeError::Kafka(error.to_string()))??;
    let mut moved = Vec::with_capacity(places.len());
    for (number, to) in places {
        let from = put(&mut transaction, (feed, &topic, number), &topic_id, to).await?;
        let message = format!("{topic} partition {number}: from offset {from} to {to}");
        audit(&mut transaction, "seek", "stream", feed, None, None, Some(&message)).await?;
        moved.push(Moved { partition: number, from, to });
    }
    transaction.commit().await?;
    Ok(moved)
}

async fn is_paused(connection: &mut PgConnection, feed: &str) -> Result<(), ChangeError> {
    let running = sqlx::query_scalar("select state = 'running' from fabric.streams where feed = $1");
    let running: bool = running.bind(feed).fetch_one(connection).await?;
    if running { Err(ChangeError::Running(feed.to_owned())) } else { Ok(()) }
}

/// Answers where it stood; a partition that has no position stood at its first record.
async fn put(
    transaction: &mut PgConnection,
    (feed, topic, partition): (&str, &str, i32),
    topic_id: &str,
    to: i64,
) -> Result<i64, sqlx::Error> {
    let from: Option<i64> = sqlx::query_scalar(
        "select next_offset from fabric.stream_positions where feed = $1 and topic = $2 and partition = $3 for update",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .fetch_optional(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into fabric.stream_positions (feed, topic, partition, topic_id, next_offset) values ($1, $2, $3, $4, $5)
         on conflict (feed, topic, partition) do update
            set topic_id = excluded.topic_id, next_offset = excluded.next_offset, state = 'running', reason = null,
                gap_to = null, gap_topic_id = null, moved_at = clock_timestamp()",
    )
    .bind(feed)
    .bind(topic)
    .bind(partition)
    .bind(topic_id)
    .bind(to)
    .execute(&mut *transaction)
    .await?;
    Ok(from.unwrap_or(0))
}

/// Goes on without the records that are missing, in one partition or in all that miss some.
pub async fn accept_gap(pool: &PgPool, feed: &str, partition: Option<i32>) -> Result<Vec<Moved>, ChangeError> {
    let mut connection = pool.acquire().await?;
    let topic = topic_of(&mut connection, feed).await?;
    let mut transaction = rest::alone(&mut connection, feed).await?;
    let gaps: Vec<(i32, i64, i64, String)> = sqlx::query_as(
        "select partition, next_offset, gap_to, coalesce(reason, '') from fabric.stream_positions
          where feed = $1 and topic = $2 and state = 'gap' and ($3::int is null or partition = $3)
          order by partition for update",
    )
    .bind(feed)
    .bind(&topic)
    .bind(partition)
    .fetch_all(&mut *transaction)
    .await?;
    if gaps.is_empty() {
        let of = partition.map(|partition| format!(" in partition {partition}")).unwrap_or_default();
        return Err(ChangeError::NoGap(feed.to_owned(), of));
    }
    let mut moved = Vec::with_capacity(gaps.len());
    for (number, from, to, reason) in gaps {
        sqlx::query(
            "update fabric.stream_positions
                set next_offset = gap_to, topic_id = gap_topic_id, state = 'running', reason = null, gap_to = null,
                    gap_topic_id = null, moved_at = clock_timestamp()
              where feed = $1 and topic = $2 and partition = $3",
        )
        .bind(feed)
        .bind(&topic)
        .bind(number)
        .execute(&mut *transaction)
        .await?;
        let message = format!("from offset {from} to {to}: {reason}");
        audit(&mut transaction, "accept-gap", "stream", feed, None, None, Some(&message)).await?;
        moved.push(Moved { partition: number, from, to });
    }
    transaction.commit().await?;
    Ok(moved)
}

async fn topic_of(connection: &mut PgConnection, feed: &str) -> Result<String, ChangeError> {
    let topic: Option<Option<String>> = sqlx::query_scalar(
        "select v.stream_topic from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          where f.feed = $1 and f.retired_at is null",
    )
    .bind(feed)
    .fetch_optional(connection)
    .await?;
    topic.flatten().ok_or_else(|| ChangeError::NoStream(feed.to_owned()))
}

/// The topic's id, and of each partition where it is to go on. Blocks.
fn places(
    settings: &KafkaSettings,
    topic: &str,
    partition: Option<i32>,
    to: Seek,
) -> Result<(String, Vec<(i32, i64)>), ChangeError> {
    let failed = |error: KafkaError| ChangeError::Kafka(kafka::describe(&error, settings));
    let absent = |partition| ChangeError::NoPartition { topic: topic.to_owned(), partition };
    let client: BaseConsumer = kafka::inquirer(settings).map_err(failed)?;
    let topic_id = kafka::topic_id(&client, topic, PATIENCE).map_err(failed)?;
    let topic_id = topic_id.ok_or_else(|| absent(partition.unwrap_or(0)))?;
    let count = kafka::partition_count(client.client(), topic, PATIENCE).map_err(failed)?.unwrap_or(0);
    let numbers = match partition {
        Some(partition) if (0..count).contains(&partition) => partition..partition + 1,
        Some(partition) => return Err(absent(partition)),
        None => 0..count,
    };
    let place = |number| {
        let (low, high) = client.fetch_watermarks(topic, number, PATIENCE).map_err(failed)?;
        let to = match to {
            Seek::Beginning => low,
            Seek::End => high,
            Seek::Offset(to) if (low..=high).contains(&to) => to,
            Seek::Offset(to) => {
                return Err(ChangeError::Outside { topic: topic.to_owned(), partition: number, low, high, to });
            }
        };
        Ok((number, to))
    };
    Ok((topic_id, numbers.map(place).collect::<Result<_, _>>()?))
}
