//! Writes records to a topic at a rate, and tells how long each took from then until its position was committed.
//!
//! `stream --topic T --feed F [--rate N] --records N`, or `stream --topic T --partitions N`, which makes the topic: by `FABRIC_KAFKA_BROKERS` and `FABRIC_POSTGRES_URL`. A position is
//! asked for every 2 ms, so each latency is that much too long at most. Prints one JSON object.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use sqlx::{Connection as _, PgConnection};

const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// By partition, in the order of their offsets: the offset, and when the record was written.
type Sent = Arc<Mutex<HashMap<i32, Vec<(i64, Instant)>>>>;

struct Acknowledged(Sent);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, written: Box<Instant>) {
        if let Ok(message) = result {
            let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sent.entry(message.partition()).or_default().push((message.offset(), *written));
        }
    }
}

struct Arguments {
    topic: String,
    feed: String,
    /// Per second; `None`: as fast as may be.
    rate: Option<u64>,
    records: u64,
    /// Makes the topic, and writes nothing.
    partitions: Option<i32>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut given: HashMap<String, String> = HashMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        given.insert(word.trim_start_matches("--").to_owned(), words.next().ok_or("a value is missing")?);
    }
    let mut take = |name: &str| given.remove(name);
    Ok(Arguments {
        topic: take("topic").ok_or("--topic is missing")?,
        feed: take("feed").unwrap_or_default(),
        rate: take("rate").map(|rate| rate.parse()).transpose()?,
        records: take("records").map_or(Ok(0), |records| records.parse())?,
        partitions: take("partitions").map(|partitions| partitions.parse()).transpose()?,
    })
}

type Producer = ThreadedProducer<Acknowledged>;

fn producer(sent: &Sent) -> Result<Producer, Box<dyn Error>> {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", std::env::var("FABRIC_KAFKA_BROKERS")?)
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .set("queue.buffering.max.messages", "1000000")
        .create_with_context(Acknowledged(Arc::clone(sent)))?;
    Ok(producer)
}

/// 174 bytes, as a card transaction has.
fn value(number: u64) -> String {
    format!(
        r#"{{"id":"P{number:012}","amount":{}.{:02},"currency":"CHF","account":"{:016}","address":{{"city":"Zürich","street":"Bahnhofstrasse {}"}},"note":"a payment of {number}"}}"#,
        1 + number % 9_000,
        number % 100,
        number * 7_919 % 10_000_000_000_000_000,
        number % 120
    )
}

/// A first record, of which no account is given: connecting, and asking for an id, takes a producer half a second.
fn warm(arguments: &Arguments, producer: &Producer, sent: &Sent) -> Result<(), Box<dyn Error>> {
    let value = value(0);
    let record = BaseRecord::with_opaque_to(&arguments.topic, Box::new(Instant::now())).key("warm").payload(&value);
    producer.send(record).map_err(|(error, _)| error)?;
    producer.flush(Duration::from_secs(60))?;
    sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(())
}

fn produce(arguments: &Arguments, producer: &Producer) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    for number in 0..arguments.records {
        if let Some(rate) = arguments.rate {
            let due = began + Duration::from_nanos(number * 1_000_000_000 / rate);
            let early = due.saturating_duration_since(Instant::now());
            // Shorter sleeps would be longer than they say.
            if early > Duration::from_millis(1) {
                std::thread::sleep(early);
            }
        }
        let (value, key) = (value(number), number.to_be_bytes());
        let mut written = Box::new(Instant::now());
        loop {
            let record = BaseRecord::with_opaque_to(&arguments.topic, written).key(&key[..]).payload(value.as_bytes());
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    written = back.delivery_opaque;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    producer.flush(Duration::from_secs(120))?;
    Ok(())
}

/// Until every record is committed; their latencies.
async fn watch(arguments: &Arguments, sent: &Sent) -> Result<Vec<Duration>, sqlx::Error> {
    let url = std::env::var("FABRIC_POSTGRES_URL").unwrap_or_default();
    let mut connection = PgConnection::connect(&url).await?;
    let mut latencies = Vec::with_capacity(arguments.records as usize);
    let mut done: HashMap<i32, usize> = HashMap::new();
    while (latencies.len() as u64) < arguments.records {
        let positions: Vec<(i32, i64)> =
            sqlx::query_as("select partition, next_offset from fabric.stream_positions where feed = $1 and topic = $2")
                .bind(&arguments.feed)
                .bind(&arguments.topic)
                .fetch_all(&mut connection)
                .await?;
        let now = Instant::now();
        {
            let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            for (partition, next) in positions {
                let Some(sent) = sent.get(&partition) else { continue };
                let done = done.entry(partition).or_default();
                while let Some((_, written)) = sent.get(*done).filter(|(offset, _)| *offset < next) {
                    latencies.push(now.duration_since(*written));
                    *done += 1;
                }
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(latencies)
}

async fn make_topic(topic: &str, partitions: i32) -> Result<(), Box<dyn Error>> {
    let brokers = std::env::var("FABRIC_KAFKA_BROKERS")?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for made in admin.create_topics(&[topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arc::new(arguments()?);
    if let Some(partitions) = arguments.partitions {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(make_topic(&arguments.topic, partitions));
    }
    let sent = Sent::default();
    let producer = producer(&sent)?;
    warm(&arguments, &producer, &sent)?;
    let began = Instant::now();
    let producing = {
        let arguments = Arc::clone(&arguments);
        std::thread::spawn(move || produce(&arguments, &producer).map_err(|error| error.to_string()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut latencies = runtime.block_on(watch(&arguments, &sent))?;
    let seconds = began.elapsed().as_secs_f64();
    producing.join().map_err(|_| "the producer panicked")??;
    latencies.sort_unstable();
    let quantile = |share: f64| {
        let place = ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len()) - 1;
        (latencies[place].as_secs_f64() * 1e4).round() / 10.0
    };
    let told = serde_json::json!({
        "records": latencies.len(), "p50_ms": quantile(0.5), "p95_ms": quantile(0.95), "p99_ms": quantile(0.99),
        "most_ms": quantile(1.0), "records_per_second": (latencies.len() as f64 / seconds).round(),
    });
    println!("{told}");
    Ok(())
}
