//! Record topics against what streams need of them: there, with their partitions, with what is not loaded yet, and kept
//! for long enough.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use sqlx::{FromRow, PgPool};

use super::{Check, Finding, Status};
use crate::kafka;
use crate::report::figures;
use crate::settings::Settings;
use crate::topics::{self, Actual};

/// Of each question.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Topics that keep records for less are told of: an outage of a night must lose nothing.
const KEPT_AT_LEAST: Duration = Duration::from_secs(86_400);

/// A stream, or a partition of it where one has been begun.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Row {
    feed: String,
    topic: String,
    paused: bool,
    reason: Option<String>,
    partition: Option<i32>,
    next_offset: Option<i64>,
    state: Option<String>,
    partition_reason: Option<String>,
}

/// What the broker says of the topics.
#[derive(Debug, Default)]
pub struct Logs {
    topics: BTreeMap<String, Actual>,
    /// First offset and end, by topic and partition.
    ends: BTreeMap<(String, i32), (i64, i64)>,
}

pub async fn rows(pool: &PgPool) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "select f.feed, v.stream_topic as topic, s.state = 'paused' as paused, s.reason, p.partition, p.next_offset, p.state,
                p.reason as partition_reason
           from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
           join fabric.streams s on s.feed = f.feed
           left join fabric.stream_positions p on p.feed = f.feed and p.topic = v.stream_topic
          where f.retired_at is null and v.stream_topic is not null order by f.feed, p.partition",
    )
    .fetch_all(pool)
    .await
}

/// `Err`: in words.
pub async fn look(settings: &Settings, rows: &[Row]) -> Result<Logs, String> {
    let mut names: Vec<String> = rows.iter().map(|row| row.topic.clone()).collect();
    names.dedup();
    let topics = topics::look_at(&settings.kafka, names).await.map_err(|error| error.to_string())?;
    let begun = rows.iter().filter_map(|row| Some((row.topic.clone(), row.partition?)));
    let there = |(topic, partition): &(String, i32)| {
        topics.get(topic).is_some_and(|actual| (0..actual.partitions).contains(partition))
    };
    let asked: Vec<(String, i32)> = begun.filter(there).collect();
    let kafka = settings.kafka.clone();
    let ends = tokio::task::spawn_blocking(move || {
        let ask = || {
            let client = kafka::inquirer(&kafka)?;
            let of = |(topic, partition): (String, i32)| {
                let ends = client.fetch_watermarks(&topic, partition, ANSWER_LIMIT)?;
                Ok(((topic, partition), ends))
            };
            asked.into_iter().map(of).collect::<Result<_, KafkaError>>()
        };
        ask().map_err(|error: KafkaError| kafka::describe(&error, &kafka))
    });
    Ok(Logs { topics, ends: ends.await.unwrap_or_else(|error| Err(error.to_string()))? })
}

/// The worst of what is found is the finding's; every stream at fault is told.
pub fn verdict(rows: &[Row], logs: &Logs, record_bytes: usize) -> Finding {
    let mut found: Vec<(Status, String, String)> = Vec::new();
    let streams: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.feed.as_str(), row)).collect();
    for (feed, stream) in &streams {
        let of_it = rows.iter().filter(|row| row.feed == **feed);
        match logs.topics.get(&stream.topic) {
            None => found.push((
                Status::Warn,
                format!("{feed}: topic {} is not there, the stream waits for it", stream.topic),
                format!("make topic {} with as many partitions as are to be loaded side by side", stream.topic),
            )),
            Some(actual) => {
                found.extend(of_topic(feed, stream, actual, record_bytes));
                found.extend(of_it.filter_map(|row| of_partition(row, actual, logs)));
            }
        }
        if stream.paused {
            let why = stream.reason.as_deref().unwrap_or("no reason was given");
            let resume = format!("`fabric streams resume {feed}` lets it go on");
            found.push((Status::Warn, format!("{feed}: is paused: {why}"), resume));
        }
    }
    let Some(worst) = found.iter().map(|(status, ..)| *status).max() else {
        let count = figures::counted(streams.len() as u64, "stream", "streams");
        let found =
            if streams.is_empty() { "none".to_owned() } else { format!("{count}, their topics as they need them") };
        return Finding::ok(Check::Streams, found);
    };
    let told = found.iter().map(|(_, text, _)| text.as_str()).collect::<Vec<_>>().join("\n");
    let next = found.into_iter().find(|(status, ..)| *status == worst).map(|(.., next)| next);
    Finding { check: Check::Streams, status: worst, found: told, next }
}

fn of_topic(feed: &str, stream: &Row, actual: &Actual, record_bytes: usize) -> Vec<(Status, String, String)> {
    let topic = &stream.topic;
    let config = |name: &str| actual.configs.get(name).and_then(|value| value.parse::<u64>().ok());
    let mut found = Vec::new();
    // -1 is for ever, and no u64.
    if let Some(kept) = config("retention.ms").map(Duration::from_millis).filter(|kept| *kept < KEPT_AT_LEAST) {
        found.push((
            Status::Warn,
            format!("{feed}: {topic} keeps records for {}: a longer outage loses them", figures::duration(kept)),
            format!("raise retention.ms of {topic} above the longest time for which loading may stand still"),
        ));
    }
    if let Some(longest) = config("max.message.bytes").filter(|longest| *longest > record_bytes as u64) {
        let (longest, record) = (figures::bytes(longest), figures::bytes(record_bytes as u64));
        found.push((
            Status::Note,
            format!("{feed}: {topic} takes messages of up to {longest}, of which those over {record} are rejects"),
            format!("lower max.message.bytes of {topic}, so that producers hear of it"),
        ));
    }
    found
}

fn of_partition(row: &Row, actual: &Actual, logs: &Logs) -> Option<(Status, String, String)> {
    let (Row { feed, topic, .. }, partition, next) = (row, row.partition?, row.next_offset?);
    let accept = format!(
        "`fabric streams show {feed}` says what is missing, `fabric streams accept-gap {feed}` goes on without"
    );
    if partition >= actual.partitions {
        let count = figures::counted(actual.partitions.unsigned_abs().into(), "partition", "partitions");
        let found =
            format!("{feed}: {topic} has {count}, and partition {partition} was loaded before: it was made anew");
        return Some((Status::Fault, found, accept));
    }
    let place = format!("{feed}: {topic} partition {partition}");
    match row.state.as_deref() {
        Some("gap") => {
            let why = row.partition_reason.as_deref().unwrap_or("records are missing");
            return Some((Status::Fault, format!("{place} has a gap: {why}"), accept));
        }
        Some("parked") => {
            let why = row.partition_reason.as_deref().unwrap_or("its target is at fault");
            let next = "mend what the reason says: it goes on by itself".to_owned();
            return Some((Status::Fault, format!("{place} is parked: {why}"), next));
        }
        _ => {}
    }
    let (low, high) = *logs.ends.get(&(topic.clone(), partition))?;
    if (low..=high).contains(&next) {
        return None;
    }
    let found = format!("{place} stands at offset {next}, and its log holds {low} to {high}");
    Some((Status::Fault, found, accept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: i32, next_offset: i64) -> Row {
        Row {
            feed: "payments".to_owned(),
            topic: "p".to_owned(),
            paused: false,
            reason: None,
            partition: Some(partition),
            next_offset: Some(next_offset),
            state: Some("running".to_owned()),
            partition_reason: None,
        }
    }

    fn logs(partitions: i32, configs: &[(&str, &str)]) -> Logs {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let actual = Actual { partitions, configs, ..Actual::default() };
        let ends = (0..partitions).map(|partition| (("p".to_owned(), partition), (10, 20))).collect();
        Logs { topics: BTreeMap::from([("p".to_owned(), actual)]), ends }
    }

    fn judged(rows: &[Row], logs: &Logs) -> (Status, String) {
        let finding = verdict(rows, logs, 3 << 20);
        (finding.status, finding.found)
    }

    #[test]
    fn a_topic_that_holds_what_is_not_loaded_is_well() {
        let kept = logs(2, &[("retention.ms", "604800000"), ("max.message.bytes", "1048588")]);
        let well = (Status::Ok, "1 stream, their topics as they need them".to_owned());
        assert_eq!(judged(&[row(0, 10), row(1, 20)], &kept), well);
        assert_eq!(judged(&[row(0, 10)], &logs(1, &[("retention.ms", "-1")])), well);
        assert_eq!(judged(&[], &Logs::default()), (Status::Ok, "none".to_owned()));
    }

    #[test]
    fn what_is_lost_or_will_be_is_told_by_stream() {
        let begun = [row(0, 9), row(1, 15), row(2, 5)];
        let (status, found) =
            judged(&begun, &logs(2, &[("retention.ms", "3600000"), ("max.message.bytes", "8388608")]));
        assert_eq!(status, Status::Fault);
        insta::assert_snapshot!(found, @r"
        payments: p keeps records for 1h 00m: a longer outage loses them
        payments: p takes messages of up to 8.0 MiB, of which those over 3.0 MiB are rejects
        payments: p partition 0 stands at offset 9, and its log holds 10 to 20
        payments: p has 2 partitions, and partition 2 was loaded before: it was made anew
        ");
    }

    #[test]
    fn a_stream_that_waits_says_for_what() {
        let (status, found) = judged(&[Row { partition: None, ..row(0, 0) }], &Logs::default());
        assert_eq!((status, found.as_str()), (Status::Warn, "payments: topic p is not there, the stream waits for it"));
        let paused = Row { paused: true, reason: Some("table is rebuilt".to_owned()), ..row(0, 15) };
        let (status, found) = judged(&[paused], &logs(1, &[]));
        assert_eq!((status, found.as_str()), (Status::Warn, "payments: is paused: table is rebuilt"));
        let parked = Row { state: Some("parked".to_owned()), ..row(0, 15) };
        assert_eq!(judged(&[parked], &logs(1, &[])).0, Status::Fault);
    }
}
