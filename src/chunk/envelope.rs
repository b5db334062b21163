//! A chunk as a Kafka message: Avro single-object encoding of `schemas/chunk.avsc`.

use super::{Chunk, ChunkId, Token};

/// The writer's schema, as text.
pub const SCHEMA: &str = include_str!("../../schemas/chunk.avsc");

/// A chunk with all that a validator needs to judge it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub id: ChunkId,
    pub token: Token,
    /// CRC-32C (RFC 3720, Castagnoli) of context, then payload.
    pub crc: u32,
    pub chunk: Chunk,
}

/// Why a message is no chunk. Its text goes to the dead letters as the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("not Avro in single-object encoding")]
    NotSingleObject,
    #[error("unknown schema fingerprint {0:016x}")]
    UnknownSchema(u64),
    #[error("not a chunk: {0}")]
    Malformed(String),
    #[error("checksum: {id} says {stated:08x}, its bytes give {actual:08x}")]
    Checksum { id: ChunkId, stated: u32, actual: u32 },
}

impl Envelope {
    /// Seals a chunk for its job, computing the checksum.
    pub fn seal(job: super::JobId, token: Token, chunk: Chunk) -> Self {
        let _ = (job, token, chunk);
        todo!()
    }

    /// Appends the message to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let _ = buffer;
        todo!()
    }

    /// Reads a message and verifies its checksum.
    pub fn decode(message: &[u8]) -> Result<Self, EnvelopeError> {
        let _ = message;
        todo!()
    }
}
