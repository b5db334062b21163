//! What people ask of streams: where each stands, partition by partition.

use std::time::Duration;

use jiff::Timestamp;
use rdkafka::consumer::Consumer as _;
use serde::Serialize;
use sqlx::{FromRow, PgPool};

use crate::kafka;
use crate::settings::KafkaSettings;

/// Whoever has not answered by then is left out.
const PATIENCE: Duration = Duration::from_secs(3);

/// A stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    pub feed: String,
    pub feed_version: i32,
    pub topic: String,
    /// The gravest of its partitions', unless it is paused: `running`, `paused`, `gap`, `parked`.
    pub state: String,
    /// Why it is not running, or what its records wait for.
    pub reason: Option<String>,
    pub loaded: i64,
    pub rejected: i64,
    /// Records that are in the topic and not in Postgres; `None`: Kafka does not answer.
    pub waiting: Option<i64>,
    pub window: WindowSummary,
    pub partitions: Vec<PartitionSummary>,
}

/// Records since the window began over which the feed's thresholds are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowSummary {
    pub began: Timestamp,
    pub records: i64,
    pub rejected: i64,
}

/// A partition of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionSummary {
    pub partition: i32,
    pub state: String,
    pub reason: Option<String>,
    pub next_offset: i64,
    /// Where the log ends.
    pub log_end: Option<i64>,
    /// Of a gap: the first offset that is there.
    pub gap_to: Option<i64>,
    /// That judged its last batch.
    pub feed_version: Option<i32>,
    pub loaded: i64,
    pub rejected: i64,
    pub moved_at: Timestamp,
}

#[derive(FromRow)]
struct StreamRow {
    feed: String,
    feed_version: i32,
    topic: String,
    state: String,
    reason: Option<String>,
    window_began: i64,
    window_records: i64,
    window_rejected: i64,
}

#[derive(FromRow)]
struct PartitionRow {
    feed: String,
    partition: i32,
    state: String,
    reason: Option<String>,
    next_offset: i64,
    gap_to: Option<i64>,
    feed_version: Option<i32>,
    loaded: i64,
    rejected: i64,
    moved_at: i64,
}

/// Every stream of an active feed, by name.
pub async fn list(pool: &PgPool, settings: &KafkaSettings) -> Result<Vec<StreamSummary>, sqlx::Error> {
    let mut streams = read(pool).await?;
    let (kafka, mut asked) = (settings.clone(), streams.clone());
    let answered = tokio::task::spawn_blocking(move || {
        ask(&kafka, &mut asked);
        asked
    });
    if let Ok(answered) = answered.await {
        streams = answered;
    }
    Ok(streams)
}

/// One stream; `None`: no active feed of this name is a stream.
pub async fn show(pool: &PgPool, settings: &KafkaSettings, feed: &str) -> Result<Option<StreamSummary>, sqlx::Error> {
    Ok(list(pool, settings).await?.into_iter().find(|stream| stream.feed == feed))
}

async fn read(pool: &PgPool) -> Result<Vec<StreamSummary>, sqlx::Error> {
    let streams: Vec<StreamRow> = sqlx::query_as(
        "select f.feed, f.active_version as feed_version, v.stream_topic as topic, s.state, s.reason,
                (extract(epoch from s.window_began) * 1000000)::bigint as window_began, w.*
           from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
           join fabric.streams s on s.feed = f.feed
          cross join lateral (
                select coalesce(sum(p.window_records), 0)::bigint as window_records,
                       coalesce(sum(p.window_rejected), 0)::bigint as window_rejected
                  from fabric.stream_positions p where p.feed = s.feed and p.window_number = s.window_number) w
          where f.retired_at is null and v.stream_topic is not null order by f.feed",
    )
    .fetch_all(pool)
    .await?;
    let partitions: Vec<PartitionRow> = sqlx::query_as(
        "select p.feed, p.partition, p.state, p.reason, p.next_offset, p.gap_to, p.feed_version, p.loaded, p.rejected,
                (extract(epoch from p.moved_at) * 1000000)::bigint as moved_at
           from fabric.stream_positions p
           join fabric.feeds f on f.feed = p.feed
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version) and v.stream_topic = p.topic
          order by p.feed, p.partition",
    )
    .fetch_all(pool)
    .await?;
    Ok(streams.into_iter().map(|stream| summary(stream, &partitions)).collect())
}

fn summary(stream: StreamRow, partitions: &[PartitionRow]) -> StreamSummary {
    let own: Vec<&PartitionRow> = partitions.iter().filter(|partition| partition.feed == stream.feed).collect();
    let at_fault = ["gap", "parked"].iter().find_map(|state| own.iter().find(|partition| partition.state == *state));
    let waits = own.iter().find(|partition| partition.reason.is_some());
    let (state, reason) = match at_fault.or(waits) {
        Some(partition) if stream.state == "running" => (partition.state.clone(), partition.reason.clone()),
        _ => (stream.state, stream.reason),
    };
    StreamSummary {
        feed: stream.feed,
        feed_version: stream.feed_version,
        topic: stream.topic,
        state,
        reason,
        loaded: own.iter().map(|partition| partition.loaded).sum(),
        rejected: own.iter().map(|partition| partition.rejected).sum(),
        waiting: None,
        window: WindowSummary {
            began: time(stream.window_began),
            records: stream.window_records,
            rejected: stream.window_rejected,
        },
        partitions: own.into_iter().map(PartitionRow::summary).collect(),
    }
}

fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl PartitionRow {
    fn summary(&self) -> PartitionSummary {
        PartitionSummary {
            partition: self.partition,
            state: self.state.clone(),
            reason: self.reason.clone(),
            next_offset: self.next_offset,
            log_end: None,
            gap_to: self.gap_to,
            feed_version: self.feed_version,
            loaded: self.loaded,
            rejected: self.rejected,
            moved_at: time(self.moved_at),
        }
    }
}

/// Where the logs end, and so what waits. The first topic that does not answer in time ends the asking.
fn ask(settings: &KafkaSettings, streams: &mut [StreamSummary]) {
    let Ok(client) = kafka::inquirer(settings) else { return };
    for stream in streams {
        let count = match kafka::partition_count(client.client(), &stream.topic, PATIENCE) {
            Ok(Some(count)) => count,
            Ok(None) => {
                let absent = format!("topic {} is not there: it waits for it", stream.topic);
                stream.reason.get_or_insert(absent);
                continue;
            }
            Err(_) => return,
        };
        let mut waiting = 0;
        for number in 0..count {
            let Ok((low, high)) = client.fetch_watermarks(&stream.topic, number, PATIENCE) else { return };
            let known = stream.partitions.iter_mut().find(|partition| partition.partition == number);
            waiting += match known {
                Some(partition) => {
                    partition.log_end = Some(high);
                    (high - partition.next_offset.max(low)).max(0)
                }
                None => high - low,
            };
        }
        stream.waiting = Some(waiting);
    }
}
