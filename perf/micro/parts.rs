//! The parts that are timed: each takes its input, prepares, and gives what one pass over it does.

use std::convert::Infallible;
use std::hint::black_box;

use bytes::Bytes;
use fabric::chunk::{Chunk, Cutter, Envelope, JobId, Limits, Token};
use fabric::copy::{KeepSource, RejectEncoder, RowEncoder};
use fabric::record::{Columns, Reader};
use fabric::rules::{Plan, Scratch, Sets, Value};

use crate::input::{Input, Shape};
use crate::{messages, references};

pub struct Case {
    pub name: &'static str,
    pub shape: Shape,
    /// Bad records per million.
    pub bad_ppm: u32,
    pub prepare: fn(Input) -> Box<dyn FnMut()>,
}

pub const fn case(name: &'static str, shape: Shape, bad_ppm: u32, prepare: fn(Input) -> Box<dyn FnMut()>) -> Case {
    Case { name, shape, bad_ppm, prepare }
}

/// What each name means stands in perf/results/micro.md.
pub const CASES: [Case; 19] = [
    case("cut", Shape::Bars, 0, cut),
    case("cut-quoted", Shape::Quoted, 0, cut),
    case("avro-out", Shape::Bars, 0, avro_out),
    case("avro-in", Shape::Bars, 0, avro_in),
    case("parse", Shape::Bars, 0, parse),
    case("parse-quoted", Shape::Quoted, 0, parse),
    case("judge", Shape::Bars, 0, judge),
    case("judge-0.1%", Shape::Bars, 1_000, judge),
    case("judge-5%", Shape::Bars, 50_000, judge),
    case("encode", Shape::Bars, 0, encode),
    case("whole", Shape::Bars, 0, whole),
    case("whole-0.1%", Shape::Bars, 1_000, whole),
    case("whole-5%", Shape::Bars, 50_000, whole),
    case("messages-json", Shape::Bars, 0, messages::json),
    case("messages-avro", Shape::Bars, 0, messages::avro),
    case("reference-hit", Shape::Bars, 0, references::hit),
    case("reference-miss", Shape::Bars, 0, references::miss),
    case("reference-build", Shape::Bars, 0, references::build),
    case("reference-read", Shape::Bars, 0, references::read),
];

/// As the source reads.
const PIECE_BYTES: usize = 256 << 10;
const JOB: JobId = JobId(1);
const TOKEN: Token = Token([7; 16]);

/// Each chunk goes at once, as it would be published.
fn cut(input: Input) -> Box<dyn FnMut()> {
    Box::new(move || each_chunk(&input, |chunk| drop(black_box(chunk))))
}

fn each_chunk(input: &Input, mut take: impl FnMut(Chunk)) {
    let mut take = |chunk| {
        take(chunk);
        Ok::<_, Infallible>(())
    };
    let mut cutter = Cutter::new(&input.feed.layout, Limits::DEFAULT);
    for piece in input.text.chunks(PIECE_BYTES) {
        let Ok(()) = cutter.push(piece, &mut take);
    }
    let Ok(_) = cutter.finish(&mut take);
}

pub fn chunks(input: &Input) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    each_chunk(input, |chunk| chunks.push(chunk));
    chunks
}

/// With the checksum. The chunk is lent to its envelope and taken back.
fn avro_out(input: Input) -> Box<dyn FnMut()> {
    let mut chunks = chunks(&input);
    let mut message = Vec::new();
    Box::new(move || {
        for place in &mut chunks {
            let lent = std::mem::replace(place, Chunk { context: Vec::new(), payload: Bytes::new(), ..*place });
            let envelope = Envelope::seal(JOB, TOKEN, lent);
            message.clear();
            envelope.encode(&mut message);
            black_box(&message);
            *place = envelope.chunk;
        }
    })
}

fn avro_in(input: Input) -> Box<dyn FnMut()> {
    let messages = chunks(&input).into_iter().map(|chunk| {
        let mut message = Vec::new();
        Envelope::seal(JOB, TOKEN, chunk).encode(&mut message);
        Bytes::from(message)
    });
    let messages: Vec<_> = messages.collect();
    Box::new(move || {
        for message in &messages {
            black_box(Envelope::decode(message).expect("it was written a moment ago"));
        }
    })
}

/// Every cell of every record is looked up.
fn parse(input: Input) -> Box<dyn FnMut()> {
    let chunks = chunks(&input);
    let layout = input.feed.layout.delimited().expect("the feed's records are text").clone();
    let width = input.feed.fields.len();
    Box::new(move || {
        for chunk in &chunks {
            let mut reader = Reader::new(&layout, width, chunk);
            while let Some((record, _)) = reader.next_record() {
                for column in 0..record.len() {
                    black_box(record.cell(column));
                }
            }
        }
    })
}

/// Reading the records is part of it.
fn judge(input: Input) -> Box<dyn FnMut()> {
    let chunks = chunks(&input);
    let (plan, columns) = (plan(&input), columns(&input));
    let mut scratch = Scratch::default();
    Box::new(move || {
        for chunk in &chunks {
            black_box(plan.judge(&columns, chunk, &mut scratch, |_, values| {
                black_box(values);
            }));
        }
    })
}

pub fn plan(input: &Input) -> Plan {
    Plan::compile(&input.feed, &Sets::new()).expect("the feed looks no set up")
}

pub fn columns(input: &Input) -> Columns {
    Columns::bind(&input.feed, b"").expect("the feed has no header")
}

/// Of values that have been judged before, their texts elsewhere than in the chunk.
fn encode(input: Input) -> Box<dyn FnMut()> {
    let (plan, columns) = (plan(&input), columns(&input));
    let encoder = RowEncoder::new(&input.feed, JOB);
    let mut judged = Vec::new();
    for chunk in chunks(&input) {
        let mut values = Vec::new();
        plan.judge(&columns, &chunk, &mut Scratch::default(), |_, read| values.extend(read.iter().map(kept)));
        judged.push(values);
    }
    let (fields, mut rows) = (input.feed.fields.len(), Vec::new());
    Box::new(move || {
        for values in &judged {
            encoder.begin(&mut rows);
            for (record, values) in (1..).zip(values.chunks_exact(fields)) {
                encoder.row(&mut rows, record, values);
            }
            encoder.finish(&mut rows);
            black_box(&rows);
        }
    })
}

fn kept(value: &Value<'_>) -> Value<'static> {
    match *value {
        Value::Text(text) => Value::Text(text.to_owned().leak()),
        Value::Missing => Value::Missing,
        Value::Integer(value) => Value::Integer(value),
        Value::Decimal(value) => Value::Decimal(value),
        Value::Boolean(value) => Value::Boolean(value),
        Value::Date(value) => Value::Date(value),
        Value::Timestamp(value) => Value::Timestamp(value),
    }
}

/// All that a validator does with a chunk that has arrived: read, judge, encode what is accepted and what is not.
fn whole(input: Input) -> Box<dyn FnMut()> {
    let chunks = chunks(&input);
    let (plan, columns) = (plan(&input), columns(&input));
    let encoder = RowEncoder::new(&input.feed, JOB);
    let (mut scratch, mut rows, mut rejects) = (Scratch::default(), Vec::new(), Vec::new());
    Box::new(move || {
        for chunk in &chunks {
            encoder.begin(&mut rows);
            let verdict = plan.judge(&columns, chunk, &mut scratch, |record, values| {
                encoder.row(&mut rows, record.at.record, values);
            });
            encoder.finish(&mut rows);
            RejectEncoder::encode(JOB, chunk.seq, &chunk.payload, &verdict.rejects, KeepSource::Bytes, &mut rejects);
            black_box((&rows, &rejects));
        }
    })
}
