//! Tells how many messages of each partition that this member holds are in the log and not in Postgres, and what they wait
//! for: their turn, a resume, their target, or somebody who accepts a gap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use sqlx::PgPool;

use super::opening::Opener;
use crate::kafka;
use crate::telemetry::catalog::STREAM_LAG;
use crate::telemetry::{Set, sample};

const INTERVAL: Duration = Duration::from_secs(2);

pub struct Lag {
    pool: PgPool,
    opener: Arc<Opener>,
    figures: Mutex<Vec<Figure>>,
}

struct Figure {
    topic: String,
    partition: String,
    standing: String,
    messages: i64,
}

/// Topic, partition, position, what the records behind it wait for.
type Row = (String, i32, i64, String);

impl Lag {
    pub fn new(pool: PgPool, opener: Arc<Opener>) -> Arc<Self> {
        let lag = Arc::new(Self { pool, opener, figures: Mutex::default() });
        sample(&lag, Self::tell);
        lag
    }

    /// Looks until it is dropped. What cannot be asked now is told as it was.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Ok(rows) = self.read().await else { continue };
            let (client, asked) = (Arc::clone(&self.opener.client), rows.clone());
            let ends = tokio::task::spawn_blocking(move || ends(&client, &asked)).await;
            if let Ok(Ok(ends)) = ends {
                let figures = rows.into_iter().filter_map(|row| figure(row, &ends)).collect();
                *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
            }
        }
    }

    async fn read(&self) -> Result<Vec<Row>, sqlx::Error> {
        let held = self.opener.held();
        let feeds: Vec<&str> = held.iter().map(|partition| partition.stream.feed.as_str()).collect();
        let topics: Vec<&str> = held.iter().map(|partition| partition.stream.topic.as_str()).collect();
        let numbers: Vec<i32> = held.iter().map(|partition| partition.number).collect();
        sqlx::query_as(
            "select p.topic, p.partition, p.next_offset,
                    case when s.state = 'paused' then 'paused' when p.state = 'running' then 'waiting' else p.state end
               from unnest($1::text[], $2::text[], $3::int[]) as m (feed, topic, partition)
               join fabric.stream_positions p using (feed, topic, partition)
               join fabric.streams s using (feed)",
        )
        .bind(feeds)
        .bind(topics)
        .bind(numbers)
        .fetch_all(&self.pool)
        .await
    }

    fn tell(&self, set: &mut Set<'_>) {
        for Figure { topic, partition, standing, messages } in
            self.figures.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            set(&STREAM_LAG, &[topic, partition, standing], *messages as f64);
        }
    }
}

/// By topic and partition: the first offset, and where the next message will stand.
type Ends = BTreeMap<(String, i32), (i64, i64)>;

/// Where the logs begin and end. Blocks.
fn ends(client: &BaseConsumer, rows: &[Row]) -> Result<Ends, KafkaError> {
    let of = |(topic, partition, ..): &Row| {
        let ends = client.fetch_watermarks(topic, *partition, kafka::ANSWER_TIMEOUT)?;
        Ok(((topic.clone(), *partition), ends))
    };
    rows.iter().map(of).collect()
}

/// Of a partition that is not there any more there is none.
fn figure((topic, partition, next, standing): Row, ends: &Ends) -> Option<Figure> {
    let (low, high) = ends.get(&(topic.clone(), partition)).copied()?;
    let messages = (high - next.clamp(low, high.max(low))).max(0);
    Some(Figure { topic, partition: partition.to_string(), standing, messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_the_log_holds_behind_the_position() {
        for (next, low, high, expected) in [(5, 0, 9, 4), (9, 0, 9, 0), (2, 5, 9, 4), (12, 0, 9, 0), (0, 0, 0, 0)] {
            let ends = BTreeMap::from([(("t".to_owned(), 0), (low, high))]);
            let figure = figure(("t".to_owned(), 0, next, "waiting".to_owned()), &ends).unwrap();
            assert_eq!(figure.messages, expected, "{next} of {low} to {high}");
        }
    }
}
