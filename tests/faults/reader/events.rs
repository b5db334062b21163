//! What Kafka was told: job events, config events, dead letters.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::error::KafkaError;
use sqlx::PgConnection;

use super::judge::{long, text};
use super::log::{self, Message};
use super::{Kind, Reading};
use crate::world::{Published, World};

pub async fn read(
    world: &World,
    published: &[Published],
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let topic = |name: &str| tokio::task::block_in_place(|| log::read(&world.topic(name)));
    let restored = world.scenario.restores();
    match topic("job-events") {
        Ok(messages) => of_jobs(&messages, restored, connection, reading).await?,
        Err(error) => unreadable(&error, reading),
    }
    match topic("config") {
        Ok(messages) => of_config(&messages, connection, reading).await?,
        Err(error) => unreadable(&error, reading),
    }
    match topic("dead-letters") {
        Ok(messages) => letters(&messages, published, reading),
        Err(error) => unreadable(&error, reading),
    }
    Ok(())
}

fn unreadable(error: &KafkaError, reading: &mut Reading) {
    reading.find(Kind::Unaccounted, format!("a topic of fabric's cannot be read: {error}"));
}

/// Of `schemas/job-event.avsc`, what is looked at.
struct JobEvent {
    job: i64,
    is_state: bool,
    state: String,
    figures: (i64, i64, i64),
    at: i64,
}

fn job_event(message: &Message) -> Option<JobEvent> {
    let mut rest = message.value.as_deref()?.get(10..)?;
    let job = long(&mut rest)?;
    let is_state = long(&mut rest)? == 0;
    text(&mut rest)?;
    let state = text(&mut rest)?;
    if long(&mut rest)? == 1 {
        text(&mut rest)?;
    }
    let figures = (long(&mut rest)?, long(&mut rest)?, long(&mut rest)?);
    Some(JobEvent { job, is_state, state, figures, at: long(&mut rest)? })
}

/// The last event of each job says how it ended; and nothing ends, or begins, twice.
async fn of_jobs(
    messages: &[Message],
    restored: bool,
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let jobs: Vec<(i64, String, i64, i64)> =
        sqlx::query_as("select job_id, state, records_loaded, records_rejected from fabric.jobs")
            .fetch_all(connection)
            .await?;
    let mut events: BTreeMap<i64, Vec<JobEvent>> = BTreeMap::new();
    for event in messages.iter().filter_map(job_event).filter(|event| event.is_state) {
        events.entry(event.job).or_default().push(event);
    }
    for (job, state, loaded, rejected) in jobs {
        let its = events.remove(&job).unwrap_or_default();
        let last = its.last().map(|event| (event.state.as_str(), event.figures));
        let expected = (state.as_str(), (loaded + rejected, loaded, rejected));
        if last != Some(expected) {
            reading.find(Kind::Unaccounted, format!("job {job} is {expected:?}, and its last event says {last:?}"));
        }
        for once in ["registered", "completed"] {
            let times: BTreeSet<i64> = its.iter().filter(|event| event.state == once).map(|event| event.at).collect();
            if times.len() > 1 && !restored {
                reading.find(Kind::Unaccounted, format!("job {job} was {once} {} times by its events", times.len()));
            }
        }
        if !its.iter().any(|event| event.state == "registered") && !restored {
            reading.find(Kind::Unaccounted, format!("no event tells that job {job} was registered"));
        }
    }
    if !events.is_empty() && !restored {
        let jobs: Vec<i64> = events.into_keys().collect();
        reading.find(Kind::Unaccounted, format!("events tell of jobs {jobs:?}, which do not exist"));
    }
    Ok(())
}

/// The last event of each feed names its active version.
async fn of_config(
    messages: &[Message],
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let mut last: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for message in messages {
        let key = String::from_utf8_lossy(message.key.as_deref().unwrap_or_default()).into_owned();
        if let Some(version) = version_of(message) {
            last.insert(key, version);
        }
    }
    let feeds: Vec<(String, i32, i64)> =
        sqlx::query_as("select feed, active_version, revision from fabric.feeds").fetch_all(connection).await?;
    for (feed, version, revision) in feeds {
        let told = last.get(&format!("feed/{feed}"));
        if told != Some(&(version.into(), revision)) {
            let words = format!("feed {feed} has version {version} revision {revision}, and its event says {told:?}");
            reading.find(Kind::Unaccounted, words);
        }
    }
    Ok(())
}

/// Version and revision of `schemas/config-event.avsc`.
fn version_of(message: &Message) -> Option<(i64, i64)> {
    let mut rest = message.value.as_deref()?.get(10..)?;
    text(&mut rest)?;
    text(&mut rest)?;
    Some((long(&mut rest)?, long(&mut rest)?))
}

/// Each message that was forged is buried, and no other.
fn letters(messages: &[Message], published: &[Published], reading: &mut Reading) {
    let header = |message: &Message, name: &str| message.headers.get(name).cloned().unwrap_or_default();
    let places: BTreeMap<(String, String, String), String> = messages
        .iter()
        .map(|message| {
            let place = ["fabric-topic", "fabric-partition", "fabric-offset"].map(|name| header(message, name));
            (place.into(), header(message, "fabric-reason"))
        })
        .collect();
    let forged: usize = published.iter().map(|its| its.forged).sum();
    if places.len() != forged {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in places.values() {
            *reasons.entry(reason).or_default() += 1;
        }
        let words = format!("{forged} messages were forged, and {} are buried: {reasons:?}", places.len());
        reading.find(Kind::Unaccounted, words);
    }
}
