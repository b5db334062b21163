//! A configured producer into one whose delivery reports are served, and messages into acknowledgements.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;

use crate::shutdown::Vital;

/// How long the polling thread waits for a delivery report, and lives on after its producer's end. For the last
/// millisecond of each wait rdkafka asks without waiting (its timeouts are whole milliseconds): its own
/// `ThreadedProducer`, and so its `FutureProducer`, wait a tenth of a second and spend a hundredth of a core on that.
const POLL: Duration = Duration::from_secs(1);

/// A producer with a thread that hands its delivery reports to `C`.
pub struct Served<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    ended: Arc<AtomicBool>,
}

impl<C: ProducerContext + 'static> Served<C> {
    /// # Errors
    ///
    /// A configuration that librdkafka refuses.
    pub fn start(config: &ClientConfig, context: C) -> Result<Self, KafkaError> {
        let producer = Arc::new(BaseProducer::from_config_and_context(config, context)?);
        let ended = Arc::new(AtomicBool::new(false));
        let (polled, over) = (Arc::clone(&producer), Arc::clone(&ended));
        thread::spawn(move || {
            let _vital = Vital;
            while !over.load(Ordering::Acquire) {
                polled.poll(POLL);
            }
        });
        Ok(Self { producer, ended })
    }
}

impl<C: ProducerContext + 'static> Deref for Served<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &BaseProducer<C> {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Served<C> {
    /// The thread is not waited for: what it could still hear concerns nobody.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// For a message now and then, each of which is waited for.
#[derive(Clone)]
pub struct Producer(Arc<Served<Answers>>);

struct Answers;

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(), KafkaError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        // Whoever has stopped waiting does not want to know.
        let _ = waiting.send(result.as_ref().map(drop).map_err(|(error, _)| error.clone()));
    }
}

impl Producer {
    /// # Errors
    ///
    /// A configuration that librdkafka refuses.
    pub fn start(config: &ClientConfig) -> Result<Self, KafkaError> {
        Served::start(config, Answers).map(|served| Self(Arc::new(served)))
    }

    /// Partitions of a topic; `None` where it is not there. Blocks for up to `timeout`.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<i32>, KafkaError> {
        super::partition_count(self.0.client(), topic, timeout)
    }

    /// Returns once Kafka has the message; `None` for a value is a tombstone.
    ///
    /// # Errors
    ///
    /// A queue that is full, at once; what the brokers say, or that they have said nothing for `message.timeout.ms`.
    pub async fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), KafkaError> {
        let (answer, answered) = oneshot::channel();
        let mut record = BaseRecord::<'_, [u8], [u8], _>::with_opaque_to(topic, Box::new(answer)).headers(headers);
        (record.key, record.payload) = (key, value);
        self.0.send(record).map_err(|(error, _)| error)?;
        let gone = KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue);
        answered.await.unwrap_or(Err(gone))
    }
}
