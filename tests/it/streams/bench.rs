//! A record topic of a test's own, its producer, and an independent reader that compares multisets. It shares no code with
//! the program.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::error::KafkaResult;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::installation::{Installation, admin, brokers, told};

/// An installation with one stream, `payments`.
pub struct Bench {
    pub installation: Installation,
    pub topic: String,
    producer: FutureProducer,
    /// What was produced: value and whether it is to be loaded.
    produced: Vec<(Vec<u8>, bool)>,
}

/// Small batches: many transactions, many chances to be struck.
const BATCH: &str = "batch: { records: 200, time: 50ms }";

impl Bench {
    pub async fn new(partitions: i32) -> Self {
        let bench = Self::without_topic().await;
        bench.make_topic(partitions).await;
        bench
    }

    pub async fn without_topic() -> Self {
        Self::within(Installation::new().await).await
    }

    /// Without a topic.
    pub async fn within(installation: Installation) -> Self {
        let topic = format!("{}payments", installation.prefix);
        let bench = Self { installation, topic, producer: producer(), produced: Vec::new() };
        bench.apply(&bench.definition("as it was"));
        bench
    }

    pub fn definition(&self, comment: &str) -> String {
        format!(
            "# {comment}\nfeed: payments\nstream:\n  topic: {}\n  value: json\n  {BATCH}\nfields:\n  \
             - {{ name: id, type: string, required: true, pattern: \"P[0-9]+\" }}\n  \
             - {{ name: amount, type: \"decimal(12,2)\", required: true, exclusiveMinimum: 0 }}\n  \
             - {{ name: city, type: string, pointer: /address/city }}\n",
            self.topic
        )
    }

    pub fn apply(&self, definition: &str) {
        let file = self.installation.write("payments.yaml", definition);
        self.installation.succeed(&["feeds", "apply", &file]);
    }

    /// As [`Self::apply`], which is to fail with these words.
    pub fn apply_refused(&self, definition: &str, words: &str) {
        let file = self.installation.write("refused.yaml", definition);
        let output = self.installation.run(&["feeds", "apply", &file]);
        assert!(!output.status.success() && told(&output).contains(words), "{}", told(&output));
    }

    pub async fn make_topic(&self, partitions: i32) {
        self.make_topic_named(&self.topic, partitions).await;
    }

    pub async fn make_topic_named(&self, name: &str, partitions: i32) {
        assert_eq!(made(name, partitions).await, None);
    }

    /// The broker deletes one of that name in its own time.
    pub async fn make_topic_again(&self, partitions: i32) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Some(refused) = made(&self.topic, partitions).await {
            assert!(Instant::now() < deadline, "{refused}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn remove_topic(&self, name: &str) {
        admin().delete_topics(&[name], &AdminOptions::new()).await.unwrap();
    }

    /// What was produced to it is gone, loaded or not.
    pub async fn delete_topic(&mut self) {
        self.remove_topic(&self.topic).await;
        self.producer = producer();
    }

    /// Has the log of partition 0 begin there.
    pub async fn delete_before(&self, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).unwrap();
        admin().delete_records(&offsets, &AdminOptions::new()).await.unwrap();
    }

    pub async fn add_partitions(&self, count: usize) {
        let more = NewPartitions::new(&self.topic, count);
        admin().create_partitions(&[more], &AdminOptions::new()).await.unwrap();
    }

    /// Produces `count` records from number `first` on, each tenth of which is to be rejected.
    pub async fn produce(&mut self, first: usize, count: usize) {
        self.produce_values(values(first, count)).await;
    }

    /// As [`Self::produce`], for another program to produce: one record a line.
    pub fn written(&mut self, first: usize, count: usize) -> Vec<u8> {
        let values = values(first, count);
        let lines = values.iter().flat_map(|(value, _)| [value, &b"\n"[..]].concat()).collect();
        self.produced.extend(values);
        lines
    }

    /// Records that are deleted before they are loaded.
    pub async fn produce_lost(&mut self, first: usize, count: usize) {
        self.produce(first, count).await;
        self.produced.truncate(self.produced.len() - count);
    }

    /// The one record that has this text is to be a reject, whatever it looked like when it was produced.
    pub fn expect_rejected(&mut self, text: &str) {
        let has_it = |value: &[u8]| memchr::memmem::find(value, text.as_bytes()).is_some();
        for (value, good) in &mut self.produced {
            *good &= !has_it(value);
        }
    }

    /// One message, of which no account is given.
    pub async fn send(&self, value: &[u8]) {
        self.send_to(&self.topic, value).await;
    }

    pub async fn send_to(&self, topic: &str, value: &[u8]) {
        self.send_keyed(topic, Some("k"), value).await;
    }

    pub async fn send_keyed(&self, topic: &str, key: Option<&str>, value: &[u8]) {
        let mut record = FutureRecord::to(topic).payload(value);
        record.key = key;
        self.producer.send(record, Timeout::After(Duration::from_secs(30))).await.unwrap();
    }

    /// Sends messages in a transaction of a producer's, which `end` commits or takes back.
    pub async fn transaction(&self, values: &[&[u8]], end: impl FnOnce(&FutureProducer) -> KafkaResult<()>) {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("transactional.id", &self.topic)
            .create()
            .unwrap();
        let patience = Duration::from_secs(30);
        producer.init_transactions(patience).unwrap();
        producer.begin_transaction().unwrap();
        for value in values {
            let record = FutureRecord::to(&self.topic).key("k").payload(*value);
            producer.send(record, Timeout::After(patience)).await.unwrap();
        }
        end(&producer).unwrap();
    }

    /// From here on one that knows the topic as it is now.
    pub fn ask_anew(&mut self) {
        self.producer = producer();
    }

    pub async fn produce_values(&mut self, values: Vec<(Vec<u8>, bool)>) {
        let sent = values.iter().enumerate().map(|(number, (value, _))| {
            let key = number.to_string();
            let topic = self.topic.clone();
            let (producer, value) = (self.producer.clone(), value.clone());
            async move {
                let record = FutureRecord::to(&topic).key(&key).payload(&value);
                producer
                    .send(record, Timeout::After(Duration::from_secs(60)))
                    .await
                    .map_err(|(error, _)| error)
                    .unwrap();
            }
        });
        futures::future::join_all(sent).await;
        self.produced.extend(values);
    }

    /// A message without a value.
    pub async fn produce_null(&self) {
        let record: FutureRecord<'_, str, [u8]> = FutureRecord::to(&self.topic).key("gone");
        self.producer.send(record, Timeout::After(Duration::from_secs(30))).await.unwrap();
    }

    /// Waits until so many are rows or rejects.
    pub async fn until(&self, records: usize) {
        let query = "select coalesce(sum(loaded + rejected), 0)::bigint from fabric.stream_positions";
        self.installation.until(records as i64, query).await;
    }

    /// Every record that was produced is exactly once a row or a reject, byte for byte, and there is no other.
    pub async fn account(&self) {
        self.until(self.produced.len()).await;
        self.compare().await;
        let twice =
            "select count(*) from (select from payments group by _topic, _partition, _offset having count(*) > 1) t";
        assert_eq!(self.installation.database.number(twice).await, 0);
    }

    /// As [`Self::account`], where offsets come again.
    pub async fn account_of_two_topics(&self) {
        self.until(self.produced.len()).await;
        self.compare().await;
    }

    async fn compare(&self) {
        let pool = &self.installation.database.pool;
        let mut rows = multiset(sqlx::query_scalar("select id from payments").fetch_all(pool).await.unwrap());
        let sources = sqlx::query_scalar("select source from fabric.stream_rejects").fetch_all(pool).await.unwrap();
        let mut rejects: HashMap<Vec<u8>, usize> = multiset(sources);
        for (value, good) in &self.produced {
            let told = String::from_utf8_lossy(value);
            if *good {
                let value: serde_json::Value = serde_json::from_slice(value).unwrap();
                let id = value["id"].as_str().unwrap().to_owned();
                assert!(take(&mut rows, &id), "not loaded: {told}");
            } else {
                assert!(take(&mut rejects, value), "not rejected: {told}");
            }
        }
        assert!(rows.is_empty(), "{} rows that nobody produced, or twice", rows.len());
        assert!(rejects.is_empty(), "{} rejects that nobody produced, or twice", rejects.len());
    }
}

/// Records from number `first` on, and whether each is to be loaded.
fn values(first: usize, count: usize) -> Vec<(Vec<u8>, bool)> {
    let value = |number| {
        let bad = number % 10 == 3;
        let amount = if bad { "-1.50" } else { "12.50" };
        let value = format!(r#"{{"id":"P{number}","amount":{amount},"address":{{"city":"Zürich {}"}}}}"#, number % 7);
        (value.into_bytes(), !bad)
    };
    (first..first + count).map(value).collect()
}

fn producer() -> FutureProducer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("linger.ms", "5")
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

/// `None`: it is made; else why not.
async fn made(name: &str, partitions: i32) -> Option<String> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let made = admin().create_topics(&[topic], &AdminOptions::new()).await.unwrap().remove(0);
    made.err().map(|(name, code)| format!("{name}: {code}"))
}

impl Drop for Bench {
    fn drop(&mut self) {
        let topic = self.topic.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { admin().delete_topics(&[&topic], &AdminOptions::new()).await.ok() });
        })
        .join()
        .ok();
    }
}

pub fn multiset<T: std::hash::Hash + Eq>(items: Vec<T>) -> HashMap<T, usize> {
    let mut set = HashMap::with_capacity(items.len());
    for item in items {
        *set.entry(item).or_default() += 1;
    }
    set
}

pub fn take<T: std::hash::Hash + Eq>(set: &mut HashMap<T, usize>, item: &T) -> bool {
    match set.get_mut(item) {
        Some(1) => set.remove(item).is_some(),
        Some(count) => {
            *count -= 1;
            true
        }
        None => false,
    }
}
