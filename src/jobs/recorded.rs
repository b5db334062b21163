//! What Kafka keeps of a job, so that it can be registered again where Postgres was restored to an earlier point: a message
//! before its first chunk, and one after its last.
//!
//! Publishers send them themselves and wait for Kafka's answer: the outbox would be lost with the rest.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::single_object::GenericSingleObjectReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::event::{self, JobEvent};
use super::publish::{CloseFigures, FileFigures};
use crate::chunk::{JobId, TokenHash};

/// The writers' schemas, as text.
pub const OPENED_SCHEMA: &str = include_str!("../../schemas/job-opened.avsc");
pub const CLOSED_SCHEMA: &str = include_str!("../../schemas/job-closed.avsc");

static OPENED: LazyLock<Coder> = LazyLock::new(|| Coder::of(OPENED_SCHEMA));
static CLOSED: LazyLock<Coder> = LazyLock::new(|| Coder::of(CLOSED_SCHEMA));
static EVENT: LazyLock<Coder> = LazyLock::new(|| Coder::of(event::SCHEMA));

/// A run of a publisher is about to send chunks; `schemas/job-opened.avsc` describes each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct JobOpened {
    pub job: i64,
    #[serde(with = "serde_bytes")]
    pub token_hash: Vec<u8>,
    pub feed: String,
    pub feed_version: i32,
    pub job_row: String,
    pub version_row: String,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
}

/// Every chunk is on its lane; `schemas/job-closed.avsc` describes each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobClosed {
    pub job: i64,
    pub chunks: i32,
    pub records: i64,
    pub file: Option<ClosedFile>,
    #[serde(with = "serde_bytes")]
    pub content_sha256: Vec<u8>,
    pub topic: String,
    pub last_offsets: BTreeMap<String, i64>,
}

/// What reading the file gave beside records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedFile {
    pub stored_bytes: i64,
    pub bytes: i64,
    pub headers: i64,
    pub blanks: i64,
}

/// A message of `fabric.job-events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    Opened(JobOpened),
    Closed(JobClosed),
    /// A state, as the steward tells it.
    Event(JobEvent),
}

impl Recorded {
    /// `None`: a message of another kind, or of a release that writes it in another way.
    pub fn decode(message: &[u8]) -> Option<Self> {
        OPENED
            .decode(message)
            .map(Self::Opened)
            .or_else(|| CLOSED.decode(message).map(Self::Closed))
            .or_else(|| EVENT.decode(message).map(Self::Event))
    }
}

impl JobOpened {
    /// Reads what is to be kept of a job, for the run that has this token. `None`: there is no such job.
    pub async fn of(pool: &PgPool, job: JobId, token: TokenHash) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(
            "select j.job_id as job, $2::bytea as token_hash, j.feed, j.feed_version,
                    to_jsonb(j)::text as job_row, to_jsonb(v)::text as version_row,
                    (extract(epoch from clock_timestamp()) * 1000000)::bigint as at
               from fabric.jobs j
               join fabric.feed_versions v on (v.feed, v.version) = (j.feed, j.feed_version)
              where j.job_id = $1",
        )
        .bind(job.0)
        .bind(&token.0[..])
        .fetch_optional(pool)
        .await
    }

    pub fn encode(&self) -> Vec<u8> {
        OPENED.encode(self)
    }
}

impl JobClosed {
    pub fn of(job: JobId, figures: &CloseFigures) -> Self {
        let file = |file: FileFigures| ClosedFile {
            stored_bytes: file.stored_bytes.cast_signed(),
            bytes: file.bytes.cast_signed(),
            headers: file.headers.cast_signed(),
            blanks: file.blanks.cast_signed(),
        };
        Self {
            job: job.0,
            chunks: figures.chunks.cast_signed(),
            records: figures.records.cast_signed(),
            file: figures.file.map(file),
            content_sha256: figures.content.to_vec(),
            topic: figures.topic.clone(),
            last_offsets: figures.last_offsets.iter().map(|(at, offset)| (at.to_string(), *offset)).collect(),
        }
    }

    /// What the publisher closed the job with; `None`: its hash or a partition's number is none.
    pub fn figures(&self) -> Option<CloseFigures> {
        let offsets = self.last_offsets.iter().map(|(at, offset)| Some((at.parse().ok()?, *offset)));
        let file = |file: ClosedFile| FileFigures {
            stored_bytes: file.stored_bytes.cast_unsigned(),
            bytes: file.bytes.cast_unsigned(),
            headers: file.headers.cast_unsigned(),
            blanks: file.blanks.cast_unsigned(),
        };
        Some(CloseFigures {
            chunks: self.chunks.cast_unsigned(),
            records: self.records.cast_unsigned(),
            file: self.file.map(file),
            content: self.content_sha256.as_slice().try_into().ok()?,
            topic: self.topic.clone(),
            last_offsets: offsets.collect::<Option<_>>()?,
        })
    }

    pub fn encode(&self) -> Vec<u8> {
        CLOSED.encode(self)
    }
}

/// Avro single-object encoding of one schema (Avro 1.12 specification, "Single-object encoding").
struct Coder {
    schema: Schema,
    head: Vec<u8>,
    reader: GenericSingleObjectReader,
}

impl Coder {
    fn of(text: &str) -> Self {
        let schema = Schema::parse_str(text).expect("our own schema parses");
        let head = [&[0xC3, 0x01][..], &schema.fingerprint::<Rabin>().bytes].concat();
        let reader = GenericSingleObjectReader::builder().schema(schema.clone()).build();
        Self { schema, head, reader: reader.expect("our own schema resolves") }
    }

    fn encode(&self, value: &impl Serialize) -> Vec<u8> {
        let mut message = self.head.clone();
        let writer = GenericDatumWriter::builder(&self.schema).build().expect("our own schema resolves");
        writer.write_ser(&mut message, value).expect("a test writes what the schema describes");
        message
    }

    fn decode<T: DeserializeOwned>(&self, mut message: &[u8]) -> Option<T> {
        if !message.starts_with(&self.head) {
            return None;
        }
        let value = self.reader.read_value(&mut message).ok()?;
        apache_avro::from_value(&value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_schemas_encode_and_read_back() {
        let opened: JobOpened = serde_json::from_str(include_str!("../../schemas/examples/job-opened.json")).unwrap();
        let closed: JobClosed = serde_json::from_str(include_str!("../../schemas/examples/job-closed.json")).unwrap();
        assert_eq!(Recorded::decode(&opened.encode()), Some(Recorded::Opened(opened)));
        assert_eq!(Recorded::decode(&closed.encode()), Some(Recorded::Closed(closed.clone())));
        let figures = closed.figures().unwrap();
        assert_eq!(JobClosed::of(JobId(closed.job), &figures), closed);
    }

    #[test]
    fn a_state_is_told_from_both_and_garbage_is_nothing() {
        let event: JobEvent = serde_json::from_str(include_str!("../../schemas/examples/job-event.json")).unwrap();
        assert_eq!(Recorded::decode(&event.encode().unwrap()), Some(Recorded::Event(event.clone())));
        let message = event.encode().unwrap();
        for garbage in [&[][..], &message[..9], &message[..12], b"{}"] {
            assert_eq!(Recorded::decode(garbage), None);
        }
    }
}
