//! Turns a message's value into the schema that it names and the datum behind.

use std::fmt;

use apache_avro::Schema;

use super::canonical::{canonical, crc};
use crate::feed::Framing;

/// Avro 1.12, "Single-object encoding".
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
/// The Confluent wire format's only version.
const CONFLUENT: u8 = 0;

/// How a message names the schema that it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaRef {
    /// CRC-64-AVRO of the schema's canonical form, as it stands in the message: little-endian.
    Fingerprint([u8; 8]),
    /// Its id in a schema registry.
    RegistryId(u32),
}

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(bytes) => {
                f.write_str("fingerprint ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::RegistryId(id) => write!(f, "id {id}"),
        }
    }
}

/// A value that names no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSchemaRef {
    #[error(
        "is not Avro in single-object encoding: it does not begin with the bytes c3 01 and a fingerprint of 8 bytes"
    )]
    NotSingleObject,
    #[error("is not Avro in the Confluent wire format: it does not begin with a byte 00 and a schema id of 4 bytes")]
    NotConfluent,
}

/// The schema that `value` names, and the datum behind.
pub fn schema_ref(value: &[u8], framing: Framing) -> Result<(SchemaRef, &[u8]), NoSchemaRef> {
    match framing {
        Framing::SingleObject => {
            let rest = value.strip_prefix(&SINGLE_OBJECT).ok_or(NoSchemaRef::NotSingleObject)?;
            let (fingerprint, datum) = rest.split_first_chunk::<8>().ok_or(NoSchemaRef::NotSingleObject)?;
            Ok((SchemaRef::Fingerprint(*fingerprint), datum))
        }
        Framing::Confluent => {
            let rest = value.strip_prefix(&[CONFLUENT]).ok_or(NoSchemaRef::NotConfluent)?;
            let (id, datum) = rest.split_first_chunk::<4>().ok_or(NoSchemaRef::NotConfluent)?;
            Ok((SchemaRef::RegistryId(u32::from_be_bytes(*id)), datum))
        }
    }
}

/// The fingerprint by which single-object encoding names `schema`.
pub fn fingerprint(schema: &Schema) -> [u8; 8] {
    let json = serde_json::to_value(schema).expect("a schema is JSON");
    crc(canonical(&json).as_bytes()).to_le_bytes()
}
