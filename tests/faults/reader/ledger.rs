//! The ledger of a job, and the job's own figures, against its file.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use super::files::{BrokenRules, Job};
use super::{Kind, Reading};
use crate::world::Ending;

#[derive(sqlx::FromRow)]
pub struct Chunk {
    seq: i32,
    first_record: i64,
    first_line: i64,
    first_byte: i64,
    span: i64,
    crc32c: i64,
    records: i32,
    loaded: i32,
    rejected: i32,
    rejects_by_rule: Option<Json<BTreeMap<String, i64>>>,
}

impl Chunk {
    pub fn has(&self, record: i64) -> bool {
        (self.first_record..self.first_record + i64::from(self.records)).contains(&record)
    }
}

/// In the order of the file.
pub async fn of(job: i64, connection: &mut PgConnection) -> Result<Vec<Chunk>, sqlx::Error> {
    sqlx::query_as(
        "select seq, first_record, first_line, first_byte, span, crc32c, records, loaded, rejected, rejects_by_rule
           from fabric.chunk_ledger where job_id = $1 order by seq",
    )
    .bind(job)
    .fetch_all(connection)
    .await
}

pub fn compare(
    name: &str,
    ending: Ending,
    job: &Job,
    chunks: &[Chunk],
    bytes: &[u8],
    broken: &BrokenRules,
    reading: &mut Reading,
) {
    for chunk in chunks {
        its_bytes(name, chunk, bytes, reading);
        its_rejects(name, chunk, broken, reading);
    }
    if ending == Ending::Loaded {
        join(name, chunks, bytes, reading);
        stated(name, job, chunks, bytes, reading);
    }
}

/// From the first byte to the last, without gap or overlap.
fn join(name: &str, chunks: &[Chunk], bytes: &[u8], reading: &mut Reading) {
    let (mut next_byte, mut next_record) = (0, 1);
    for (seq, chunk) in (0..).zip(chunks) {
        let begins = (chunk.seq, chunk.first_byte, chunk.first_record, chunk.first_line);
        if begins != (seq, next_byte, next_record, next_record) {
            let words = format!("{name}: chunk {} begins at {begins:?} and not at {next_byte}", chunk.seq);
            reading.find(Kind::Unaccounted, words);
            break;
        }
        next_byte = chunk.first_byte + chunk.span;
        next_record = chunk.first_record + i64::from(chunk.records);
    }
    if next_byte != bytes.len() as i64 {
        reading.find(Kind::Unaccounted, format!("{name}: the ledger ends at {next_byte} of {} bytes", bytes.len()));
    }
}

fn its_bytes(name: &str, chunk: &Chunk, bytes: &[u8], reading: &mut Reading) {
    let end = usize::try_from(chunk.first_byte + chunk.span).unwrap_or(0).min(bytes.len());
    let payload = bytes.get(usize::try_from(chunk.first_byte).unwrap_or(0)..end).unwrap_or_default();
    let records = payload.iter().filter(|byte| **byte == b'\n').count();
    if i64::from(crc32c::crc32c(payload)) != chunk.crc32c || usize::try_from(chunk.records) != Ok(records) {
        reading.find(Kind::Unaccounted, format!("{name}: the ledger row of chunk {} is not of its bytes", chunk.seq));
    }
}

fn its_rejects(name: &str, chunk: &Chunk, broken: &BrokenRules, reading: &mut Reading) {
    let numbers = chunk.first_record..chunk.first_record + i64::from(chunk.records);
    let its: Vec<_> = numbers.filter_map(|number| broken.get(&number)).collect();
    let mut by_rule: BTreeMap<String, i64> = BTreeMap::new();
    for rule in its.iter().copied().flatten() {
        *by_rule.entry(rule.clone()).or_default() += 1;
    }
    let stated = chunk.rejects_by_rule.as_ref().map(|rules| rules.0.clone()).unwrap_or_default();
    let adds_up = chunk.loaded + chunk.rejected == chunk.records;
    if usize::try_from(chunk.rejected) != Ok(its.len()) || !adds_up || stated != by_rule {
        let (seq, rejected, found) = (chunk.seq, chunk.rejected, its.len());
        let words = format!("{name}: chunk {seq} states {rejected} rejects {stated:?} and has {found} {by_rule:?}");
        reading.find(Kind::Unaccounted, words);
    }
}

fn stated(name: &str, job: &Job, chunks: &[Chunk], bytes: &[u8], reading: &mut Reading) {
    let length = bytes.len() as i64;
    let records = bytes.iter().filter(|byte| **byte == b'\n').count() as i64;
    let rejected: i64 = chunks.iter().map(|chunk| i64::from(chunk.rejected)).sum();
    let count = i32::try_from(chunks.len()).unwrap_or(i32::MAX);
    let stated = (job.chunks, job.records, job.bytes.unwrap_or(length));
    let summed = (job.chunks_loaded, job.records_loaded, job.records_rejected, job.bytes_loaded);
    if stated != (Some(count), Some(records), length) || summed != (count, records - rejected, rejected, length) {
        let words = format!(
            "{name}, job {}: it states {stated:?} and sums up {summed:?}; there are {count} chunks, {records} records, \
             {rejected} of them rejects, {length} bytes",
            job.job_id
        );
        reading.find(Kind::Unaccounted, words);
    }
}
