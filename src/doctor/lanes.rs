//! Retention of the lanes against their backlog, and dead letters: what an outage may last before chunks are lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::error::KafkaError;
use sqlx::{FromRow, PgPool};

use super::{Check, Finding};
use crate::chunk::Lane;
use crate::kafka::{self, Onlooker};
use crate::report::figures;
use crate::settings::KafkaSettings;
use crate::topics::{self, Actual};

/// Of each question; the first that is not answered ends the look.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);

/// What waits on one lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Backlog {
    topic: String,
    /// `None`: for ever.
    retention: Option<Duration>,
    waiting: u64,
    /// Of them, those that wait since more than half of the retention.
    old: u64,
    /// Deleted before they were finished.
    gone: u64,
}

/// What the loads of the last day came to.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub struct Pace {
    bytes_a_day: i64,
    /// While they were at work; 0 where none was.
    chunks_per_second: f64,
}

pub async fn pace(pool: &PgPool) -> Result<Pace, sqlx::Error> {
    sqlx::query_as(
        "select coalesce(sum(bytes_loaded), 0)::bigint as bytes_a_day,
                coalesce(sum(chunks_loaded) / nullif(sum(extract(epoch from
                    coalesce(ended_at, clock_timestamp()) - registered_at)), 0), 0)::float8 as chunks_per_second
           from (select * from fabric.jobs order by job_id desc limit 10000) recent
          where registered_at > clock_timestamp() - interval '1 day'",
    )
    .fetch_one(pool)
    .await
}

/// Backlogs of both lanes, and what the dead letters hold. `Err`: in words.
pub async fn look(settings: &KafkaSettings) -> Result<(Vec<Backlog>, Finding), String> {
    let specs = topics::declared(&settings.prefix);
    let actual = topics::look(settings, &specs).await.map_err(|error| error.to_string())?;
    let owned = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let look = || {
            let onlooker = Onlooker::new(&owned)?;
            let mut backlogs = vec![];
            for lane in Lane::ALL {
                let topic = owned.lane_topic(lane);
                if let Some(found) = actual.get(&topic) {
                    backlogs.push(backlog(&onlooker, topic, found)?);
                }
            }
            Ok((backlogs, dead_letters(&onlooker, &owned.name("dead-letters"))?))
        };
        look().map_err(|error: KafkaError| kafka::describe(&error, &owned))
    });
    asked.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn backlog(onlooker: &Onlooker, topic: String, actual: &Actual) -> Result<Backlog, KafkaError> {
    let retention =
        actual.configs.get("retention.ms").and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
    let standings = onlooker.standings(&topic, ANSWER_LIMIT)?;
    let old_before = match retention {
        Some(retention) => onlooker.first_since(&topic, actual.partitions, ago(retention / 2), ANSWER_LIMIT)?,
        None => vec![],
    };
    let old = standings.iter().zip(old_before).map(|(standing, first)| match first {
        Some(first) => standing.waiting_before(first),
        // Nothing is younger.
        None => standing.waiting(),
    });
    Ok(Backlog {
        retention,
        waiting: standings.iter().map(|standing| standing.waiting()).sum(),
        old: old.sum(),
        gone: standings.iter().map(|standing| standing.gone_unread()).sum(),
        topic,
    })
}

/// Milliseconds since 1970.
fn ago(time: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(time).as_millis()).unwrap_or(i64::MAX)
}

fn dead_letters(onlooker: &Onlooker, topic: &str) -> Result<Finding, KafkaError> {
    let standings = onlooker.standings(topic, ANSWER_LIMIT)?;
    let partitions = i32::try_from(standings.len()).unwrap_or(i32::MAX);
    if partitions == 0 {
        return Ok(Finding::note(Check::DeadLetters, format!("topic {topic} is not there")));
    }
    let since = onlooker.first_since(topic, partitions, ago(DAY), ANSWER_LIMIT)?;
    let fresh = standings.iter().zip(since).map(|(s, first)| first.map_or(0, |first| (s.high - first).max(0)));
    let kept = standings.iter().map(|standing| standing.high - standing.low).sum::<i64>();
    Ok(dead_letters_verdict(topic, kept.cast_unsigned(), fresh.sum::<i64>().cast_unsigned()))
}

fn dead_letters_verdict(topic: &str, kept: u64, fresh: u64) -> Finding {
    let kept_ones = figures::counted(kept, "message", "messages");
    match (kept, fresh) {
        (0, _) => Finding::ok(Check::DeadLetters, "none"),
        (_, 0) => Finding::ok(Check::DeadLetters, format!("{kept_ones} in {topic}, none of the last day")),
        _ => Finding::warn(
            Check::DeadLetters,
            format!("{kept_ones} in {topic}, {} of the last day", figures::count(fresh)),
            "each message's headers say why; `fabric jobs show JOB` lists those of a job under its notes",
        ),
    }
}

/// `pace` is `None` where Postgres did not tell it.
pub fn verdict(backlogs: &[Backlog], pace: Option<Pace>) -> Finding {
    let Some(shortest) = backlogs.iter().filter_map(|backlog| backlog.retention).min() else {
        return Finding::ok(Check::Retention, "the lanes keep chunks for ever: watch Kafka's disk");
    };
    let kept = figures::duration(shortest);
    let waiting: u64 = backlogs.iter().map(|backlog| backlog.waiting).sum();
    let rate = pace.map_or(0.0, |pace| pace.chunks_per_second);
    let to_clear = (rate > 0.0).then(|| Duration::try_from_secs_f64(waiting as f64 / rate).unwrap_or(Duration::MAX));
    let mut found = format!("an outage of up to {kept} loses nothing: so long the lanes keep chunks");
    found.push_str(&match (waiting, to_clear) {
        (0, _) => "; none waits".to_owned(),
        (_, None) => format!("; {} wait, and nothing was loaded in the last day", figures::count(waiting)),
        (_, Some(time)) => {
            format!("\n{} wait, {} at the last day's pace", figures::count(waiting), figures::whole_duration(time))
        }
    });
    if let Some(pace) = pace.filter(|pace| pace.bytes_a_day > 0) {
        let a_day = pace.bytes_a_day.cast_unsigned();
        let log = (a_day as f64 * shortest.as_secs_f64() / DAY.as_secs_f64()) as u64;
        found.push_str(&format!(
            "\n{} came in the last day: {} of Kafka's disk at that rate, per copy",
            figures::bytes(a_day),
            figures::bytes(log)
        ));
    }
    judge(backlogs, shortest, to_clear, found)
}

fn judge(backlogs: &[Backlog], shortest: Duration, to_clear: Option<Duration>, found: String) -> Finding {
    let sum = |of: fn(&Backlog) -> u64| backlogs.iter().map(of).sum::<u64>();
    let topics = backlogs.iter().map(|backlog| backlog.topic.as_str()).collect::<Vec<_>>().join(", ");
    let (gone, old) = (sum(|backlog| backlog.gone), sum(|backlog| backlog.old));
    if gone > 0 {
        return Finding::fault(
            Check::Retention,
            format!("{} were deleted before they were loaded\n{found}", figures::counted(gone, "chunk", "chunks")),
            format!(
                "`fabric ingest --resume JOB` sends again what an incomplete job lacks; raise retention.ms of {topics}"
            ),
        );
    }
    let more = format!("run more validators (`fabric validate`), or raise retention.ms of {topics}");
    if old > 0 {
        let half = figures::duration(shortest / 2);
        return Finding::warn(
            Check::Retention,
            format!("{} wait for more than {half}\n{found}", figures::count(old)),
            more,
        );
    }
    if to_clear.is_some_and(|time| time > shortest / 2) {
        return Finding::warn(Check::Retention, format!("the backlog is cleared too slowly\n{found}"), more);
    }
    Finding::ok(Check::Retention, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn quiet() -> Backlog {
        Backlog { topic: "f.normal".into(), retention: Some(7 * DAY), waiting: 0, old: 0, gone: 0 }
    }

    #[test]
    fn an_outage_that_is_survived_and_the_disk_that_it_takes_are_told() {
        let pace = Pace { bytes_a_day: 1 << 30, chunks_per_second: 100.0 };
        let finding = verdict(&[quiet(), Backlog { waiting: 12_000, ..quiet() }], Some(pace));
        assert_eq!(finding.status, Status::Ok);
        insta::assert_snapshot!(finding.found, @r"
        an outage of up to 7d 0h loses nothing: so long the lanes keep chunks
        12,000 wait, 2m 00s at the last day's pace
        1.0 GiB came in the last day: 7.0 GiB of Kafka's disk at that rate, per copy
        ");
    }

    #[test]
    fn chunks_near_their_deletion_are_a_warning_and_deleted_ones_a_fault() {
        let pace = Some(Pace { bytes_a_day: 0, chunks_per_second: 0.001 });
        assert_eq!(verdict(&[quiet()], None).status, Status::Ok);
        assert_eq!(verdict(&[Backlog { waiting: 9, old: 1, ..quiet() }], None).status, Status::Warn);
        assert_eq!(verdict(&[Backlog { waiting: 400, ..quiet() }], pace).status, Status::Warn);
        let lost = verdict(&[Backlog { gone: 2, ..quiet() }], pace);
        assert_eq!(lost.status, Status::Fault);
        assert!(lost.found.starts_with("2 chunks were deleted before they were loaded"), "{}", lost.found);
    }

    #[test]
    fn dead_letters_of_old_are_no_news() {
        assert_eq!(dead_letters_verdict("d", 0, 0).found, "none");
        assert_eq!(dead_letters_verdict("d", 3, 0).status, Status::Ok);
        assert_eq!(dead_letters_verdict("d", 3, 1).status, Status::Warn);
    }
}
