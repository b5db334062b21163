//! A publisher of a test: registers a job, cuts a file, and puts on the lane what the test wants there, in its order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use fabric::chunk::{Chunk, CutTotals, Cutter, Envelope, JobId, Lane, Limits, Seq, Token};
use fabric::jobs::{CloseFigures, CutBy, FileFigures, NewJob, OpenJob, Registration, SourceIdentity};
use fabric::settings::{KafkaSettings, Settings};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sha2::{Digest as _, Sha256};

use crate::installation::{Installation, brokers};

pub struct Publisher {
    pub job: JobId,
    pub token: Token,
    pub chunks: Vec<Chunk>,
    kafka: KafkaSettings,
    producer: FutureProducer,
    totals: CutTotals,
    content: [u8; 32],
    last_offsets: BTreeMap<i32, i64>,
}

pub fn kafka_of(installation: &Installation) -> KafkaSettings {
    let prefix = installation.prefix.clone();
    KafkaSettings { brokers: brokers(), prefix, ..Settings::default().kafka }
}

impl Publisher {
    /// Of a job for a file of card transactions.
    pub async fn register(installation: &Installation, file: &str) -> Self {
        let limits = Limits { chunk_bytes: 16 << 10, ..Limits::DEFAULT };
        let bytes = std::fs::read(file).unwrap();
        let new = NewJob {
            feed: "card-transactions".into(),
            lane: Lane::Normal,
            source: SourceIdentity { file: file.into(), ..SourceIdentity::default() },
            limits,
            again: false,
            publisher: "test/1/1".into(),
            lease: Duration::from_secs(600),
            cut_by: CutBy::Fabric,
        };
        let load = Settings::default().load;
        let registration = fabric::jobs::register(&installation.database.pool, &new, &load).await.unwrap();
        let Registration::New(OpenJob { job, token, feed, .. }) = registration else { panic!("not a new job") };
        let (mut cutter, mut chunks) = (Cutter::new(&feed.feed.layout, limits), vec![]);
        let mut keep = |chunk| -> Result<(), Infallible> {
            chunks.push(chunk);
            Ok(())
        };
        cutter.push(&bytes, &mut keep).unwrap();
        let totals = cutter.finish(&mut keep).unwrap();
        let kafka = kafka_of(installation);
        let producer = fabric::kafka::producer_config(&kafka, "test", 1 << 20).create().unwrap();
        let content = Sha256::digest(&bytes).into();
        Self { job, token, chunks, kafka, producer, totals, content, last_offsets: BTreeMap::new() }
    }

    /// A chunk of the file as it should be.
    pub fn chunk(&self, seq: usize) -> Envelope {
        Envelope::seal(self.job, self.token, self.chunks[seq].clone())
    }

    /// Other bytes under the seq of a chunk.
    pub fn other_bytes(&self, seq: usize) -> Envelope {
        let payload = self.chunks[seq + 1].payload.clone();
        let span = payload.len() as u64;
        Envelope::seal(self.job, self.token, Chunk { seq: Seq(seq as u32), span, payload, ..self.chunks[seq].clone() })
    }

    pub async fn send(&mut self, partition: i32, envelope: &Envelope) {
        let mut message = vec![];
        envelope.encode(&mut message);
        self.send_bytes(partition, &message).await;
    }

    pub async fn send_bytes(&mut self, partition: i32, message: &[u8]) {
        let lane = self.kafka.lane_topic(Lane::Normal);
        let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(&lane).partition(partition).payload(message);
        let delivery = self.producer.send(record, Duration::from_secs(10)).await.unwrap();
        self.last_offsets.insert(partition, delivery.offset);
    }

    /// All of the file is on the lane.
    pub async fn close(&self, installation: &Installation) {
        let figures = CloseFigures {
            chunks: self.totals.chunks,
            records: self.totals.records,
            file: Some(FileFigures::new(self.totals.bytes, &self.totals)),
            content: self.content,
            topic: self.kafka.lane_topic(Lane::Normal),
            last_offsets: self.last_offsets.clone(),
        };
        fabric::jobs::close(&installation.database.pool, self.job, &figures).await.unwrap();
    }
}
