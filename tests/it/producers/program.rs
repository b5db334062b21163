//! A program that publishes chunks, written by docs/producing.md alone: it shares no code with fabric.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::installation::{Installation, brokers};

/// Records of a chunk: many small ones.
const RECORDS: usize = 60;

/// A chunk before it is sealed.
#[derive(Debug, Clone)]
pub struct Piece {
    pub seq: i32,
    pub first_record: i64,
    pub first_byte: i64,
    pub records: i32,
    pub payload: Vec<u8>,
}

pub struct Program {
    /// What `fabric jobs open` said.
    pub opened: Value,
    pub job: i64,
    pub token: String,
    pub pieces: Vec<Piece>,
    pub content: String,
    topic: String,
    partitions: i32,
    head: Vec<u8>,
    producer: FutureProducer,
}

/// Opens a job for a file of lines without a header.
pub fn open(installation: &Installation, file: &str, arguments: &[&str]) -> Program {
    let arguments: Vec<&str> =
        ["jobs", "open"].into_iter().chain(arguments.iter().copied()).chain(["--json"]).collect();
    Program::of(&installation.json(0, &arguments), file)
}

impl Program {
    pub fn of(opened: &Value, file: &str) -> Self {
        let bytes = std::fs::read(file).unwrap();
        let producer =
            ClientConfig::new().set("bootstrap.servers", brokers()).set("enable.idempotence", "true").create().unwrap();
        Self {
            opened: opened.clone(),
            job: opened["job"].as_i64().unwrap(),
            token: opened["token"].as_str().unwrap().to_owned(),
            pieces: cut(&bytes),
            content: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
            topic: opened["topic"].as_str().unwrap().to_owned(),
            partitions: i32::try_from(opened["partitions"].as_i64().unwrap()).unwrap(),
            head: from_hex(opened["schema"]["messageHead"].as_str().unwrap()),
            producer,
        }
    }

    pub fn records(&self) -> i64 {
        self.pieces.iter().map(|piece| i64::from(piece.records)).sum()
    }

    pub async fn publish_all(&self) {
        for piece in &self.pieces {
            self.publish(piece).await;
        }
    }

    pub async fn publish(&self, piece: &Piece) {
        self.send(piece.seq, &self.message(piece)).await;
    }

    pub async fn send(&self, seq: i32, message: &[u8]) {
        let record: FutureRecord<'_, (), [u8]> =
            FutureRecord::to(&self.topic).partition(seq % self.partitions).payload(message);
        self.producer.send(record, Duration::from_secs(30)).await.unwrap();
    }

    pub fn message(&self, piece: &Piece) -> Vec<u8> {
        self.message_with(piece, self.checksum(piece), piece.payload.len() as i64)
    }

    pub fn checksum(&self, piece: &Piece) -> u32 {
        crc32c::crc32c(&piece.payload)
    }

    pub fn message_with(&self, piece: &Piece, checksum: u32, span: i64) -> Vec<u8> {
        let mut message = self.head.clone();
        long(&mut message, self.job);
        long(&mut message, piece.seq.into());
        message.extend(from_hex(&self.token));
        long(&mut message, piece.first_record);
        // A line is a record here.
        long(&mut message, piece.first_record);
        long(&mut message, piece.first_byte);
        long(&mut message, span);
        long(&mut message, piece.records.into());
        // No blank lines, a whole last record, nothing overlong.
        message.extend([0, 0, 0]);
        long(&mut message, checksum.into());
        long(&mut message, 0);
        long(&mut message, piece.payload.len() as i64);
        message.extend(&piece.payload);
        message
    }

    /// `fabric jobs VERB JOB` with the token, to its exit code: JSON of what it answers, and what it says.
    pub fn ask(&self, installation: &Installation, verb: &str, arguments: &[&str]) -> (i32, Value, String) {
        let job = self.job.to_string();
        let mut command = installation.fabric(&["jobs", verb, &job, "--json"]);
        let output = command.args(arguments).env("FABRIC_JOB_TOKEN", &self.token).output().unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), answer, String::from_utf8(output.stderr).unwrap())
    }

    pub fn close(&self, installation: &Installation) -> (i32, Value, String) {
        self.close_with(installation, self.pieces.len(), self.records())
    }

    pub fn close_with(&self, installation: &Installation, chunks: usize, records: i64) -> (i32, Value, String) {
        let (chunks, records) = (chunks.to_string(), records.to_string());
        let stated = ["--chunks", &chunks, "--records", &records, "--sha256", &self.content];
        self.ask(installation, "close", &stated)
    }

    /// The job's report once it has ended.
    pub fn wait(&self, installation: &Installation, code: i32) -> Value {
        installation.json(code, &["jobs", "wait", &self.job.to_string(), "--timeout", "60s", "--json"])
    }
}

fn cut(bytes: &[u8]) -> Vec<Piece> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut first_byte, mut first_record) = (0, 1);
    let piece = |(seq, lines): (usize, &[&[u8]])| {
        let payload = lines.concat();
        let records = lines.len() as i32;
        let piece = Piece { seq: seq as i32, first_record, first_byte, records, payload };
        first_byte += piece.payload.len() as i64;
        first_record += i64::from(records);
        piece
    };
    lines.chunks(RECORDS).enumerate().map(piece).collect()
}

/// Avro's `long` and `int`: zigzag, then seven bits a byte, lowest first.
fn long(message: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        message.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    message.push(rest as u8);
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
