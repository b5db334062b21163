//! Turns an outbox row that tells of a change into a message of the config topic, and a message into what it tells.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::single_object::GenericSingleObjectReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::{Deserialize, Serialize};

use super::change::Kind;

/// The writer's schema, as text.
pub const SCHEMA: &str = include_str!("../../schemas/config-event.avsc");

/// Header of a tombstone: the event of the retirement, encoded as the value of any other message.
pub const TOMBSTONE_HEADER: &str = "fabric-event";

static PARSED: LazyLock<Schema> = LazyLock::new(|| Schema::parse_str(SCHEMA).expect("our own schema parses"));
static READER: LazyLock<GenericSingleObjectReader> = LazyLock::new(|| {
    GenericSingleObjectReader::builder().schema(PARSED.clone()).build().expect("our own schema resolves")
});

/// What the outbox row and the message say; `schemas/config-event.avsc` describes each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEvent {
    pub kind: String,
    pub name: String,
    pub version: i32,
    pub revision: i64,
    pub checksum: String,
    pub retired: bool,
    pub by: String,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
}

/// A message that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("its key is no kind/name")]
    NoKey,
    #[error("this release knows no {0}")]
    UnknownKind(String),
    #[error("it has neither a value nor the header `{TOMBSTONE_HEADER}`")]
    Bare,
    #[error("it is no Avro that this release can read: {0}")]
    NotAvro(#[source] Box<apache_avro::Error>),
    #[error("it tells of {told}, under the key of {key}")]
    OtherKey { told: String, key: String },
}

/// A thing that users edit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thing {
    pub kind: Kind,
    pub name: String,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Thing {
    /// Of a message's key: `feed/NAME`.
    pub fn of_key(key: Option<&[u8]>) -> Result<Self, EventError> {
        let text = key.and_then(|key| std::str::from_utf8(key).ok()).ok_or(EventError::NoKey)?;
        let (kind, name) = text.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or(EventError::NoKey)?;
        let kind = Kind::parse(kind).ok_or_else(|| EventError::UnknownKind(kind.to_owned()))?;
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl ConfigEvent {
    /// Avro single-object encoding (Avro 1.12 specification, "Single-object encoding").
    pub fn encode(&self) -> Result<Vec<u8>, apache_avro::Error> {
        let mut message = vec![0xC3, 0x01];
        message.extend_from_slice(&PARSED.fingerprint::<Rabin>().bytes);
        GenericDatumWriter::builder(&PARSED).build()?.write_ser(&mut message, self)?;
        Ok(message)
    }

    /// Of a message with this key; `value` is the tombstone's header where there is no value.
    pub fn decode(thing: &Thing, value: Option<&[u8]>) -> Result<Self, EventError> {
        let mut value = value.ok_or(EventError::Bare)?;
        let read = READER.read_value(&mut value).and_then(|value| apache_avro::from_value::<Self>(&value));
        let event = read.map_err(|error| EventError::NotAvro(Box::new(error)))?;
        if event.kind != thing.kind.as_str() || event.name != thing.name {
            let told = format!("{}/{}", event.kind, event.name);
            return Err(EventError::OtherKey { told, key: thing.to_string() });
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> ConfigEvent {
        serde_json::from_str(include_str!("../../schemas/examples/config-event.json")).unwrap()
    }

    fn thing() -> Thing {
        Thing::of_key(Some(b"feed/card-transactions")).unwrap()
    }

    #[test]
    fn the_example_of_the_schema_encodes_and_reads_back() {
        let message = example().encode().unwrap();
        assert_eq!(ConfigEvent::decode(&thing(), Some(&message)).unwrap(), example());
    }

    #[test]
    fn what_is_no_event_says_why() {
        let message = example().encode().unwrap();
        let said = |thing: &Thing, value: Option<&[u8]>| ConfigEvent::decode(thing, value).unwrap_err().to_string();
        assert!(said(&thing(), None).contains("neither a value nor the header"));
        assert!(said(&thing(), Some(b"{}")).contains("no Avro that this release can read"));
        assert!(said(&thing(), Some(&message[..message.len() - 3])).contains("no Avro"));
        let other = Thing::of_key(Some(b"template/card-transactions")).unwrap();
        assert!(said(&other, Some(&message)).contains("tells of feed/card-transactions, under the key of template/"));
    }

    #[test]
    fn a_key_is_a_kind_and_a_name() {
        let said = |key: Option<&[u8]>| Thing::of_key(key).unwrap_err().to_string();
        assert_eq!(said(Some(b"widget/x")), "this release knows no widget");
        for key in [None, Some(&b"feed/"[..]), Some(b"feed"), Some(b"feed/\xff")] {
            assert_eq!(said(key), "its key is no kind/name");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_message_is_an_event_or_an_error(
            cut in 0usize..200, at in 0usize..200, byte: u8, noise: Vec<u8>,
        ) {
            let mut message = example().encode().unwrap();
            let end = message.len();
            message[at % end] = byte;
            message.truncate(cut);
            let _ = ConfigEvent::decode(&thing(), Some(&message));
            let _ = ConfigEvent::decode(&thing(), Some(&noise));
        }
    }
}
