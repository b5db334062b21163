//! Each record of each file: exactly once a row or a reject of its job, and what it should be.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::judge::{self, Broken, Sound};
use super::{Kind, Reading, Told, ledger};
use crate::feeds::{Keys, Version, of_files};
use crate::world::{Ending, Published, World};

/// The broken rule of a record whose id another has.
const KEY: &str = "primaryKey";

#[derive(sqlx::FromRow)]
pub struct Job {
    pub job_id: i64,
    pub feed_version: i32,
    pub state: String,
    pub reason: Option<String>,
    pub chunks: Option<i32>,
    pub records: Option<i64>,
    pub bytes: Option<i64>,
    pub chunks_loaded: i32,
    pub records_loaded: i64,
    pub records_rejected: i64,
    pub bytes_loaded: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    record: i64,
    id: Option<String>,
    booked: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    words: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Reject {
    record_no: i64,
    line: i64,
    byte_offset: i64,
    byte_length: i64,
    source: Option<Vec<u8>>,
    reasons: Json<Vec<Reason>>,
}

#[derive(serde::Deserialize)]
pub struct Reason {
    pub rule: String,
}

/// A record as Postgres has it.
enum Found {
    Row(Row),
    Reject(Reject),
}

pub async fn read(
    world: &World,
    published: &[Published],
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let mut jobs = Vec::new();
    for its in published {
        let bytes = world.scenario.jobs[its.job].file.bytes();
        let name = format!("file {}", its.job + 1);
        let ending = world.ending_of(its.job);
        let found = match ending {
            Ending::Loaded => of_content(connection, &bytes).await?,
            Ending::Cancelled { number } => of_number(connection, number).await?,
        };
        jobs.extend(found.iter().map(|job| job.job_id));
        let [job] = &found[..] else {
            let states: Vec<_> = found.iter().map(|job| format!("job {} {}", job.job_id, job.state)).collect();
            reading.find(Kind::Unaccounted, format!("{name} is to be one job, and is {states:?}"));
            continue;
        };
        let expected = if ending == Ending::Loaded { "completed" } else { "stopped" };
        if job.state != expected {
            let why = job.reason.clone().unwrap_or_default();
            reading.find(Kind::Unaccounted, format!("{name}, job {}, is {}: {why}", job.job_id, job.state));
        }
        read_one(world, ending, &name, job, &bytes, connection, reading).await?;
    }
    let foreign: i64 = sqlx::query_scalar("select count(*) from public.orders where _job_id <> all($1)")
        .bind(&jobs)
        .fetch_one(&mut *connection)
        .await?;
    if foreign > 0 {
        reading.find(Kind::Doubled, format!("{foreign} rows are of jobs that nobody published"));
    }
    Ok(())
}

async fn read_one(
    world: &World,
    ending: Ending,
    name: &str,
    job: &Job,
    bytes: &[u8],
    connection: &mut PgConnection,
    reading: &mut Reading,
) -> Result<(), sqlx::Error> {
    let chunks = ledger::of(job.job_id, connection).await?;
    let loads = |number: i64| match ending {
        Ending::Loaded => true,
        Ending::Cancelled { .. } => chunks.iter().any(|chunk| chunk.has(number)),
    };
    let Some(version) = version_of(world, job, connection).await? else {
        reading.find(Kind::Wrong, format!("{name} pins version {}, which nobody applied", job.feed_version));
        return Ok(());
    };
    let mut account = Account {
        keys: world.scenario.keys,
        told: Told::of(name),
        broken: BrokenRules::new(),
        ids: HashMap::new(),
        twins: Vec::new(),
    };
    let mut found = found(job.job_id, connection).await?;
    let mut first_byte = 0;
    for (number, line) in (1_i64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if loads(number) {
            let record = Record { number, line, first_byte };
            let judged = judge::line(line.strip_suffix(b"\n").unwrap_or(line), version.maximum());
            account.take(&record, &judged, found.remove(&number).unwrap_or_default(), reading);
        }
        first_byte += line.len() as i64;
    }
    let unknown: usize = found.into_values().map(|its| its.len()).sum();
    if unknown > 0 {
        reading.doubled += unknown as u64;
        reading.find(Kind::Doubled, format!("{name}: {unknown} rows or rejects of records that are not loaded"));
    }
    account.keys(reading);
    account.told.rest(reading);
    ledger::compare(name, ending, job, &chunks, bytes, &account.broken, reading);
    Ok(())
}

async fn of_content(connection: &mut PgConnection, bytes: &[u8]) -> Result<Vec<Job>, sqlx::Error> {
    sqlx::query_as("select * from fabric.jobs where feed = 'orders' and content_sha256 = $1 order by job_id")
        .bind(Sha256::digest(bytes).to_vec())
        .fetch_all(connection)
        .await
}

async fn of_number(connection: &mut PgConnection, number: i64) -> Result<Vec<Job>, sqlx::Error> {
    sqlx::query_as("select * from fabric.jobs where job_id = $1").bind(number).fetch_all(connection).await
}

/// Which version a job pinned, by the text that was stored.
async fn version_of(world: &World, job: &Job, connection: &mut PgConnection) -> Result<Option<Version>, sqlx::Error> {
    let document: Option<String> =
        sqlx::query_scalar("select document from fabric.feed_versions where (feed, version) = ('orders', $1)")
            .bind(job.feed_version)
            .fetch_optional(connection)
            .await?;
    let keys = world.scenario.keys;
    Ok([Version::Lenient, Version::Strict]
        .into_iter()
        .find(|version| document.as_deref() == Some(of_files(*version, keys).as_str())))
}

async fn found(job: i64, connection: &mut PgConnection) -> Result<HashMap<i64, Vec<Found>>, sqlx::Error> {
    let mut found: HashMap<i64, Vec<Found>> = HashMap::new();
    let rows: Vec<Row> = sqlx::query_as(
        "select _record_no as record, id, booked::text, amount::text, currency, words from public.orders
          where _job_id = $1",
    )
    .bind(job)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        found.entry(row.record).or_default().push(Found::Row(row));
    }
    let rejects: Vec<Reject> = sqlx::query_as(
        "select record_no, line, byte_offset, byte_length, source, reasons from fabric.rejects where job_id = $1",
    )
    .bind(job)
    .fetch_all(connection)
    .await?;
    for reject in rejects {
        found.entry(reject.record_no).or_default().push(Found::Reject(reject));
    }
    Ok(found)
}

/// Rules that each rejected record breaks, by its number.
pub type BrokenRules = HashMap<i64, BTreeSet<String>>;

/// Of the file, with its line end.
struct Record<'f> {
    number: i64,
    line: &'f [u8],
    first_byte: i64,
}

struct Account<'n> {
    keys: Keys,
    told: Told<'n>,
    broken: BrokenRules,
    /// Of sound records: how many have this id, and how many of them are rows.
    ids: HashMap<String, (usize, usize)>,
    /// Sound records that are rejects, since another has their id.
    twins: Vec<(i64, String)>,
}

impl Account<'_> {
    fn take(&mut self, record: &Record<'_>, judged: &Result<Sound, Broken>, its: Vec<Found>, reading: &mut Reading) {
        let number = record.number;
        reading.records += 1;
        if its.is_empty() {
            let text = String::from_utf8_lossy(record.line);
            self.told.find(reading, Kind::Lost, format!("record {number}: {}", text.trim_end()));
        }
        if its.len() > 1 {
            self.told.find(reading, Kind::Doubled, format!("record {number} is there {} times", its.len()));
        }
        if let Ok(sound) = judged {
            self.ids.entry(sound.cells[0].clone()).or_default().0 += 1;
        }
        for each in its {
            match each {
                Found::Row(row) => self.row(number, &row, judged, reading),
                Found::Reject(reject) => self.reject(record, reject, judged, reading),
            }
        }
    }

    fn row(&mut self, number: i64, row: &Row, judged: &Result<Sound, Broken>, reading: &mut Reading) {
        reading.rows += 1;
        reading.cents_loaded += i128::from(row.amount.as_deref().and_then(judge::cents).unwrap_or(0));
        match judged {
            Ok(sound) => {
                self.ids.entry(sound.cells[0].clone()).or_default().1 += 1;
                reading.cents_sent += i128::from(sound.cents);
                let cells = [&row.id, &row.booked, &row.amount, &row.currency, &row.words];
                let cells = cells.map(|cell| cell.as_deref().unwrap_or_default());
                if sound.cells != cells {
                    let words = format!("record {number} is {:?} and its row {cells:?}", sound.cells);
                    self.told.find(reading, Kind::Wrong, words);
                }
            }
            Err(rules) => {
                self.told.find(reading, Kind::Wrong, format!("record {number} is a row and breaks {rules:?}"));
            }
        }
    }

    fn reject(&mut self, record: &Record<'_>, reject: Reject, judged: &Result<Sound, Broken>, reading: &mut Reading) {
        let Record { number, line, first_byte } = *record;
        reading.rejects += 1;
        let place = (reject.line, reject.byte_offset, reject.byte_length);
        if place != (number, first_byte, line.len() as i64) || reject.source.as_deref() != Some(line) {
            let words = format!("the reject of record {number} has another place or other bytes: {place:?}");
            self.told.find(reading, Kind::Wrong, words);
        }
        let rules: BTreeSet<String> = reject.reasons.0.into_iter().map(|reason| reason.rule).collect();
        match judged {
            Ok(sound) if self.keys == Keys::Unique && rules == BTreeSet::from([KEY.to_owned()]) => {
                self.twins.push((number, sound.cells[0].clone()));
            }
            Ok(_) => {
                self.told.find(reading, Kind::Wrong, format!("record {number} is sound and a reject by {rules:?}"));
            }
            Err(broken) if rules.iter().map(String::as_str).ne(broken.iter().copied()) => {
                let words = format!("record {number} is a reject by {rules:?} and breaks {broken:?}");
                self.told.find(reading, Kind::Wrong, words);
            }
            Err(_) => {}
        }
        self.broken.insert(number, rules);
    }

    /// Of sound records with one id exactly one is a row.
    fn keys(&mut self, reading: &mut Reading) {
        if self.keys == Keys::Free {
            return;
        }
        for (number, id) in std::mem::take(&mut self.twins) {
            if self.ids[&id].0 < 2 {
                self.told.find(reading, Kind::Wrong, format!("record {number} is a reject, and nobody else is {id}"));
            }
        }
        for (id, (_, rows)) in std::mem::take(&mut self.ids) {
            if rows != 1 {
                self.told.find(reading, Kind::Wrong, format!("{rows} rows are {id}"));
            }
        }
    }
}
