//! Each message of a record topic that was committed: exactly once a row or a reject, and what it should be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};

use super::files::Reason;
use super::log::{self, Message};
use super::{Kind, Reading, Told, judge};
use crate::feeds::{Version, of_stream, table};
use crate::scenario::{Act, Stream};
use crate::world::World;

#[derive(sqlx::FromRow)]
struct Row {
    partition: i32,
    offset: i64,
    version: i32,
    id: Option<String>,
    amount: Option<String>,
    city: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Reject {
    partition: i32,
    offset: i64,
    version: i32,
    source: Option<Vec<u8>>,
    reasons: Json<Vec<Reason>>,
}

enum Found {
    Row(Row),
    Reject(Reject),
}

impl Found {
    fn version(&self) -> i32 {
        match self {
            Self::Row(row) => row.version,
            Self::Reject(reject) => reject.version,
        }
    }
}

pub async fn read(
    world: &World,
    number: usize,
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let stream = &world.scenario.streams[number];
    let topic = world.topic(&stream.name);
    let name = format!("stream {}", number + 1);
    let messages = match tokio::task::block_in_place(|| log::read(&topic)) {
        Ok(messages) => messages,
        Err(error) => {
            reading.find(Kind::Unaccounted, format!("{topic} cannot be read: {error}"));
            return Ok(());
        }
    };
    let versions = versions(stream, &topic, connection).await?;
    let mut found = found(stream, &topic, connection).await?;
    let mut account = Account { stream, told: Told::of(&name), judged_by: BTreeMap::new() };
    for message in &messages {
        account.take(
            message,
            found.remove(&(message.partition, message.offset)).unwrap_or_default(),
            &versions,
            reading,
        );
    }
    let unknown: usize = found.into_values().map(|its| its.len()).sum();
    if unknown > 0 {
        reading.doubled += unknown as u64;
        reading.find(Kind::Doubled, format!("{name}: {unknown} rows or rejects of messages that nobody committed"));
    }
    account.told.rest(reading);
    account.versions_follow(world, number, &versions, reading);
    positions(&name, stream, &topic, &messages, connection, reading).await
}

/// The suite's versions by the program's numbers.
type Versions = BTreeMap<i32, Version>;

async fn versions(stream: &Stream, topic: &str, connection: &mut PgConnection) -> Result<Versions, sqlx::Error> {
    let stored: Vec<(i32, String)> =
        sqlx::query_as("select version, document from fabric.feed_versions where feed = $1")
            .bind(&stream.name)
            .fetch_all(connection)
            .await?;
    let known = |document: &str| {
        [Version::Lenient, Version::Strict]
            .into_iter()
            .find(|version| of_stream(&stream.name, topic, stream.form, *version) == document)
    };
    Ok(stored.into_iter().filter_map(|(number, document)| Some((number, known(&document)?))).collect())
}

async fn found(
    stream: &Stream,
    topic: &str,
    connection: &mut PgConnection,
) -> Result<HashMap<(i32, i64), Vec<Found>>, sqlx::Error> {
    let mut found: HashMap<(i32, i64), Vec<Found>> = HashMap::new();
    let query = format!(
        "select _partition as partition, _offset as offset, _feed_version as version, id, amount::text, city
           from public.{} where _topic = $1",
        table(&stream.name)
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(query)).bind(topic).fetch_all(&mut *connection).await?;
    for row in rows {
        found.entry((row.partition, row.offset)).or_default().push(Found::Row(row));
    }
    let rejects: Vec<Reject> = sqlx::query_as(
        "select partition, \"offset\", feed_version as version, source, reasons from fabric.stream_rejects
          where (feed, topic) = ($1, $2)",
    )
    .bind(&stream.name)
    .bind(topic)
    .fetch_all(connection)
    .await?;
    for reject in rejects {
        found.entry((reject.partition, reject.offset)).or_default().push(Found::Reject(reject));
    }
    Ok(found)
}

struct Account<'s> {
    stream: &'s Stream,
    told: Told<'s>,
    /// By partition, in the order of its messages.
    judged_by: BTreeMap<i32, Vec<i32>>,
}

impl Account<'_> {
    fn take(&mut self, message: &Message, its: Vec<Found>, versions: &Versions, reading: &mut Reading) {
        reading.records += 1;
        let place = format!("partition {} offset {}", message.partition, message.offset);
        if its.is_empty() {
            let value = String::from_utf8_lossy(message.value.as_deref().unwrap_or_default()).into_owned();
            self.told.find(reading, Kind::Lost, format!("{place}: {value}"));
        }
        if its.len() > 1 {
            self.told.find(reading, Kind::Doubled, format!("{place} is there {} times", its.len()));
        }
        for each in its {
            self.judged_by.entry(message.partition).or_default().push(each.version());
            let Some(version) = versions.get(&each.version()) else {
                let words = format!("{place} is judged by version {}, which nobody applied", each.version());
                self.told.find(reading, Kind::Wrong, words);
                continue;
            };
            let value = message.value.as_deref().unwrap_or_default();
            let judged = judge::message(self.stream.form, value, version.maximum());
            match each {
                Found::Row(row) => self.row(&place, row, judged, reading),
                Found::Reject(reject) => self.reject(&place, value, reject, judged, reading),
            }
        }
    }

    fn row(&mut self, place: &str, row: Row, judged: Result<judge::Sound, judge::Broken>, reading: &mut Reading) {
        reading.rows += 1;
        reading.cents_loaded += i128::from(row.amount.as_deref().and_then(judge::cents).unwrap_or(0));
        let cells = [row.id, row.amount, row.city].map(Option::unwrap_or_default);
        match judged {
            Ok(sound) => {
                reading.cents_sent += i128::from(sound.cents);
                if sound.cells != cells {
                    self.told.find(reading, Kind::Wrong, format!("{place} is {:?} and its row {cells:?}", sound.cells));
                }
            }
            Err(broken) => self.told.find(reading, Kind::Wrong, format!("{place} is a row and breaks {broken:?}")),
        }
    }

    fn reject(
        &mut self,
        place: &str,
        value: &[u8],
        reject: Reject,
        judged: Result<judge::Sound, judge::Broken>,
        reading: &mut Reading,
    ) {
        reading.rejects += 1;
        if reject.source.as_deref() != Some(value) {
            self.told.find(reading, Kind::Wrong, format!("the reject of {place} has other bytes"));
        }
        let rules: BTreeSet<&str> = reject.reasons.0.iter().map(|reason| reason.rule.as_str()).collect();
        let expected = judged.err().unwrap_or_default();
        if rules != expected {
            self.told.find(reading, Kind::Wrong, format!("{place} is a reject by {rules:?} and breaks {expected:?}"));
        }
    }

    /// A partition changes its version no more often than another became active, and ends with the active one.
    fn versions_follow(&self, world: &World, number: usize, versions: &Versions, reading: &mut Reading) {
        let steps = &world.scenario.steps;
        let activations = steps.iter().filter(|step| step.act == Act::ActivateStream(number)).count();
        // A restore takes an activation back, and it is made once more.
        let restores = usize::from(world.scenario.restores());
        let active = world.version_of_stream(number);
        for (partition, judged_by) in &self.judged_by {
            let changes = judged_by.windows(2).filter(|pair| pair[0] != pair[1]).count();
            if changes > activations + 2 * restores {
                let words = format!(
                    "stream {} partition {partition} was judged by {changes} other versions in turn; {activations} became \
                     active",
                    number + 1
                );
                reading.find(Kind::Wrong, words);
            }
            let last = judged_by.last().and_then(|last| versions.get(last));
            if last.is_some_and(|last| *last != active) {
                let words = format!(
                    "stream {} partition {partition} ends with records that another version judged than the active one",
                    number + 1
                );
                reading.find(Kind::Wrong, words);
            }
        }
    }
}

async fn positions(
    name: &str,
    stream: &Stream,
    topic: &str,
    messages: &[Message],
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let positions: Vec<(i32, i64, String, i64, i64)> = sqlx::query_as(
        "select partition, next_offset, state, loaded, rejected from fabric.stream_positions
          where (feed, topic) = ($1, $2)",
    )
    .bind(&stream.name)
    .bind(topic)
    .fetch_all(&mut *connection)
    .await?;
    let ends: BTreeMap<i32, i64> = messages.iter().map(|message| (message.partition, message.offset + 1)).collect();
    for (partition, end) in ends {
        let position = positions.iter().find(|position| position.0 == partition);
        if position.is_none_or(|position| position.1 < end || position.2 != "running") {
            let words = format!("{name} partition {partition} stands at {position:?}, its last message ends at {end}");
            reading.find(Kind::Unaccounted, words);
        }
    }
    let stated: i64 = positions.iter().map(|position| position.3 + position.4).sum();
    if stated != messages.len() as i64 {
        let words = format!("{name}: its positions count {stated} records, and {} were committed", messages.len());
        reading.find(Kind::Unaccounted, words);
    }
    Ok(())
}
