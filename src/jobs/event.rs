//! Turns a change of a job into an outbox row, and an outbox row into an Avro message.

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::sync::LazyLock;

use crate::chunk::JobId;

/// The topic of these events, without the prefix of the installation.
pub const TOPIC: &str = "job-events";

/// The writer's schema, as text.
pub const SCHEMA: &str = include_str!("../../schemas/job-event.avsc");

static PARSED: LazyLock<Schema> = LazyLock::new(|| Schema::parse_str(SCHEMA).expect("our own schema parses"));

/// What the outbox row and the message say; `schemas/job-event.avsc` describes each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEvent {
    pub job: i64,
    pub kind: EventKind,
    pub feed: String,
    pub state: String,
    pub reason: Option<String>,
    pub records: i64,
    pub loaded: i64,
    pub rejected: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventKind {
    State,
    Alert,
}

impl JobEvent {
    /// The message: Avro single-object encoding (Avro 1.12 specification, "Single-object encoding").
    pub fn encode(&self) -> Result<Vec<u8>, apache_avro::Error> {
        let mut message = vec![0xC3, 0x01];
        message.extend_from_slice(&PARSED.fingerprint::<Rabin>().bytes);
        GenericDatumWriter::builder(&PARSED).build()?.write_ser(&mut message, self)?;
        Ok(message)
    }
}

/// Adds an event to the outbox, in the transaction of the change that it tells of: state and figures are read from
/// the job's row as that change has left them. An alert brings its own reason.
pub(crate) async fn emit(connection: &mut PgConnection, job: JobId, alert: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into fabric.outbox (topic, key, payload)
         select $2, job_id::text, jsonb_build_object(
                'job', job_id, 'kind', case when $3::text is null then 'STATE' else 'ALERT' end, 'feed', feed,
                'state', state, 'reason', coalesce($3, reason), 'records', records_loaded + records_rejected,
                'loaded', records_loaded, 'rejected', records_rejected,
                'at', (extract(epoch from clock_timestamp()) * 1000000)::bigint)
           from fabric.jobs where job_id = $1",
    )
    .bind(job.0)
    .bind(TOPIC)
    .bind(alert)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use apache_avro::reader::single_object::GenericSingleObjectReader;

    use super::*;

    #[test]
    fn the_example_of_the_schema_encodes_and_reads_back() {
        let text = include_str!("../../schemas/examples/job-event.json");
        let event: JobEvent = serde_json::from_str(text).unwrap();
        let message = event.encode().unwrap();
        let reader = GenericSingleObjectReader::builder().schema(PARSED.clone()).build().unwrap();
        let value = reader.read_value(&mut &message[..]).unwrap();
        assert_eq!(apache_avro::from_value::<JobEvent>(&value).unwrap(), event);
    }

    #[test]
    fn an_event_without_a_reason_encodes() {
        let text = include_str!("../../schemas/examples/job-event.json");
        let event = JobEvent { reason: None, kind: EventKind::Alert, ..serde_json::from_str(text).unwrap() };
        assert!(event.encode().is_ok());
    }
}
