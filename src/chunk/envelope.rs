//! A chunk as a Kafka message: Avro single-object encoding of `schemas/chunk.avsc`.
//!
//! Marker `C3 01`, the schema's CRC-64-AVRO fingerprint (little-endian), the body (Avro 1.12, "Single-object encoding").

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use serde::Serialize;

use super::wire::Body;
use super::{Chunk, ChunkId, Ending, JobId, Position, Seq, Token};

/// The writer's schema, as text.
pub const SCHEMA: &str = include_str!("../../schemas/chunk.avsc");

const MARKER: [u8; 2] = [0xc3, 0x01];

/// Room for a message's head and its numbers: ten longs at most ten bytes each, token, marker, fingerprint.
const HEAD_BYTES: usize = 160;

static PARSED: LazyLock<Schema> = LazyLock::new(|| Schema::parse_str(SCHEMA).expect("schemas/chunk.avsc is valid"));

static WRITER: LazyLock<GenericDatumWriter<'static>> = LazyLock::new(|| {
    GenericDatumWriter::builder(&PARSED).human_readable(false).build().expect("schemas/chunk.avsc resolves")
});

/// The first eight bytes after the marker, little-endian.
static FINGERPRINT: LazyLock<[u8; 8]> = LazyLock::new(|| {
    let fingerprint = PARSED.fingerprint::<Rabin>().bytes;
    fingerprint.try_into().expect("CRC-64-AVRO has eight bytes")
});

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
    /// The checksum covers neither `id` nor `token`: where the token is one of the job's, the damage is the job's.
    #[error("checksum: {id} says {stated:08x}, its bytes give {actual:08x}")]
    Checksum { id: ChunkId, token: Token, stated: u32, actual: u32 },
    /// A publisher that counts wrong: its chunks would not add up to a file.
    #[error("{id} says that it answers for {span} bytes, and has {payload}")]
    Span { id: ChunkId, token: Token, span: u64, payload: usize },
}

impl EnvelopeError {
    /// Whose chunk it says that it is.
    pub const fn claims(&self) -> Option<(ChunkId, Token)> {
        match self {
            Self::Checksum { id, token, .. } | Self::Span { id, token, .. } => Some((*id, *token)),
            Self::NotSingleObject | Self::UnknownSchema(_) | Self::Malformed(_) => None,
        }
    }
}

/// No record is longer: what a message states must not make sums overflow.
const LONGEST_RECORD: u64 = 1 << 40;

/// The fields of the schema, in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'c> {
    job: i64,
    seq: i32,
    #[serde(with = "serde_bytes")]
    token: &'c [u8; 16],
    first_record: i64,
    first_line: i64,
    first_byte: i64,
    span: i64,
    records: i32,
    blanks: i32,
    ending: WireEnding,
    overlong_length: i64,
    crc32c: i64,
    #[serde(with = "serde_bytes")]
    context: &'c [u8],
    #[serde(with = "serde_bytes")]
    payload: &'c [u8],
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum WireEnding {
    Whole,
    UnclosedQuote,
    Overlong,
}

impl Envelope {
    /// Seals a chunk for its job, computing the checksum.
    pub fn seal(job: JobId, token: Token, chunk: Chunk) -> Self {
        Self { id: ChunkId { job, seq: chunk.seq }, token, crc: checksum(&chunk), chunk }
    }

    /// What every message begins with: marker and fingerprint.
    pub fn message_head() -> [u8; 10] {
        let mut head = [0; 10];
        head[..2].copy_from_slice(&MARKER);
        head[2..].copy_from_slice(&*FINGERPRINT);
        head
    }

    /// Appends the message to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let chunk = &self.chunk;
        let (ending, overlong_length) = match chunk.ending {
            Ending::Whole => (WireEnding::Whole, 0),
            Ending::UnclosedQuote => (WireEnding::UnclosedQuote, 0),
            Ending::Overlong { length } => (WireEnding::Overlong, length as i64),
        };
        let wire = Wire {
            job: self.id.job.0,
            seq: self.id.seq.0 as i32,
            token: &self.token.0,
            first_record: chunk.start.record as i64,
            first_line: chunk.start.line as i64,
            first_byte: chunk.start.byte as i64,
            span: chunk.span as i64,
            records: chunk.records as i32,
            blanks: chunk.blanks as i32,
            ending,
            overlong_length,
            crc32c: i64::from(self.crc),
            context: &chunk.context,
            payload: &chunk.payload,
        };
        buffer.reserve(HEAD_BYTES + chunk.context.len() + chunk.payload.len());
        buffer.extend_from_slice(&MARKER);
        buffer.extend_from_slice(&*FINGERPRINT);
        WRITER.write_ser(buffer, &wire).expect("the fields are the schema's, and a Vec takes every byte");
    }

    /// Reads a message and verifies its checksum.
    /// The payload stays where it is, in `message`.
    pub fn decode(message: &Bytes) -> Result<Self, EnvelopeError> {
        Self::read(message)?.verified()
    }

    /// Reads a message, whatever its bytes are.
    pub fn read(message: &Bytes) -> Result<Self, EnvelopeError> {
        let rest = message.strip_prefix(&MARKER).ok_or(EnvelopeError::NotSingleObject)?;
        let (fingerprint, body) = rest.split_first_chunk::<8>().ok_or(EnvelopeError::NotSingleObject)?;
        if *fingerprint != *FINGERPRINT {
            return Err(EnvelopeError::UnknownSchema(u64::from_le_bytes(*fingerprint)));
        }
        Self::decode_body(&mut Body::new(body), message)
    }

    /// Compares what the message states with its bytes.
    pub fn verified(self) -> Result<Self, EnvelopeError> {
        let (id, token, stated, actual) = (self.id, self.token, self.crc, checksum(&self.chunk));
        if stated != actual {
            return Err(EnvelopeError::Checksum { id, token, stated, actual });
        }
        let (span, payload) = (self.chunk.span, self.chunk.payload.len());
        if !spans(&self.chunk) {
            return Err(EnvelopeError::Span { id, token, span, payload });
        }
        Ok(self)
    }

    /// The fields in the order of the schema. Read by hand because the crate's reader fills buffers of any length that a
    /// message states, up to its own limit of 512 MiB.
    fn decode_body(body: &mut Body<'_>, message: &Bytes) -> Result<Self, EnvelopeError> {
        let job = JobId(body.long("job")?);
        let seq = Seq(body.count("seq")?);
        let token = Token(body.fixed("token")?);
        let start = Position {
            record: body.size("firstRecord")?,
            line: body.size("firstLine")?,
            byte: body.size("firstByte")?,
        };
        let span = body.size("span")?;
        let (records, blanks) = (body.count("records")?, body.count("blanks")?);
        let symbol = body.count("ending")?;
        let length = body.size("overlongLength")?;
        let ending = match symbol {
            0 => Ending::Whole,
            1 => Ending::UnclosedQuote,
            2 => Ending::Overlong { length },
            _ => return Err(EnvelopeError::Malformed(format!("ending has no symbol {symbol}"))),
        };
        let crc = body.size("crc32c")?;
        let crc = u32::try_from(crc).map_err(|_| EnvelopeError::Malformed(format!("crc32c is out of range: {crc}")))?;
        let context = body.bytes("context")?.to_vec();
        let payload = message.slice_ref(body.bytes("payload")?);
        body.end()?;
        let chunk = Chunk { seq, start, span, records, blanks, ending, context, payload };
        Ok(Self { id: ChunkId { job, seq }, token, crc, chunk })
    }
}

/// Whether the span is that of the payload, with what an overlong record lost.
fn spans(chunk: &Chunk) -> bool {
    let payload = chunk.payload.len() as u64;
    match chunk.ending {
        Ending::Whole | Ending::UnclosedQuote => chunk.span == payload,
        Ending::Overlong { length } => length <= LONGEST_RECORD && (payload..=payload + length).contains(&chunk.span),
    }
}

fn checksum(chunk: &Chunk) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&chunk.context), &chunk.payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope(ending: Ending, payload: Vec<u8>) -> Envelope {
        let start = Position { record: 7, line: 9, byte: 1 << 40 };
        let context = b"id,name\r\n".to_vec();
        let span = if matches!(ending, Ending::Overlong { .. }) { 80_000 } else { payload.len() as u64 };
        let chunk = Chunk { seq: Seq(3), start, span, records: 2, blanks: 1, ending, context, payload: payload.into() };
        Envelope::seal(JobId(42), Token([7; 16]), chunk)
    }

    fn decode(message: &[u8]) -> Result<Envelope, EnvelopeError> {
        Envelope::decode(&Bytes::copy_from_slice(message))
    }

    fn message(payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        envelope(Ending::Whole, payload.to_vec()).encode(&mut buffer);
        buffer
    }

    #[test]
    fn a_chunk_comes_back_as_it_was_sealed() {
        for ending in [Ending::Whole, Ending::UnclosedQuote, Ending::Overlong { length: 80_000 }] {
            let sealed = envelope(ending, b"1,a\n\n2,b\n".to_vec());
            let mut buffer = b"before".to_vec();
            sealed.encode(&mut buffer);
            assert_eq!(decode(&buffer[6..]), Ok(sealed));
        }
    }

    #[test]
    fn any_avro_reader_with_the_schema_reads_a_message() {
        let message = message(b"1,a\n");
        assert_eq!(message[..2], MARKER);
        let reader = apache_avro::GenericSingleObjectReader::builder().schema(PARSED.clone()).build().unwrap();
        let value = reader.read_value(&mut &message[..]).unwrap();
        let apache_avro::types::Value::Record(fields) = value else { panic!("{value:?}") };
        assert_eq!(fields[0], ("job".to_owned(), apache_avro::types::Value::Long(42)));
        assert_eq!(fields[13], ("payload".to_owned(), apache_avro::types::Value::Bytes(b"1,a\n".to_vec())));
    }

    #[test]
    fn a_message_cut_short_is_no_chunk() {
        let message = message(b"1,a\n");
        for length in 0..message.len() {
            assert!(decode(&message[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_flipped_bit_in_context_or_payload_fails_the_checksum() {
        let message = message(b"1,a\n2,b\n");
        let payload = message.len() - 8;
        for at in payload..message.len() {
            let mut flipped = message.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(matches!(decode(&flipped), Err(EnvelopeError::Checksum { .. })));
        }
    }

    #[test]
    fn a_span_that_is_not_the_payloads_is_told_with_the_chunk() {
        for (span, ending) in [
            (3, Ending::Whole),
            (5, Ending::UnclosedQuote),
            (i64::MAX as u64, Ending::Whole),
            (3, Ending::Overlong { length: 10 }),
            (15, Ending::Overlong { length: 10 }),
            (4, Ending::Overlong { length: i64::MAX as u64 }),
        ] {
            let mut sealed = envelope(ending, b"1,a\n".to_vec());
            sealed.chunk.span = span;
            let mut buffer = vec![];
            sealed.encode(&mut buffer);
            let error = decode(&buffer).expect_err("a span of its own");
            assert_eq!(error, EnvelopeError::Span { id: sealed.id, token: sealed.token, span, payload: 4 });
            assert_eq!(error.claims(), Some((sealed.id, sealed.token)));
        }
    }

    #[test]
    fn another_schema_is_named_by_its_fingerprint() {
        let mut message = message(b"1,a\n");
        message[2..10].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&message), Err(EnvelopeError::UnknownSchema(1)));
        assert_eq!(decode(b"{\"json\": 1}"), Err(EnvelopeError::NotSingleObject));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            body in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..200),
        ) {
            let message = [&MARKER[..], &*FINGERPRINT, &body].concat();
            let _ = decode(&message);
            let _ = decode(&body);
        }

        #[test]
        fn a_damaged_message_makes_nothing_panic(at in 0usize..400, byte in any::<u8>()) {
            let mut message = message(&[b'x'; 300]);
            let at = at % message.len();
            message[at] = byte;
            let _ = decode(&message);
        }
    }
}
