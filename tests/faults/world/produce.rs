//! The messages of a stream, spread over some seconds.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use super::World;
use crate::dice::Dice;
use crate::installation::brokers;
use crate::records::value;
use crate::scenario::{Pace, Producing, Stream};

const BURST: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Until all are acknowledged. One that was sent twice is two: the log says what there is.
    pub async fn produce(&self, stream: usize) {
        let its = &self.scenario.streams[stream];
        let topic = self.topic(&its.name);
        let mut dice = Dice::new(its.seed);
        let lasting = if self.scenario.size.pace == Pace::Quick { 3_500 } else { 12_000 };
        let pause = Duration::from_millis(lasting * BURST / its.messages.max(BURST));
        let mut producer = None;
        for first in (0..its.messages).step_by(usize::try_from(BURST).expect("it is small")) {
            let values: Vec<Vec<u8>> =
                (first..(first + BURST).min(its.messages)).map(|number| value(its.form, number, &mut dice)).collect();
            let takes_back = dice.percent(25);
            while !self.is_over() {
                let sent = match &producer {
                    Some(producer) => send(producer, its, &topic, &values, takes_back).await,
                    None => start(its, &topic).map(|started| producer = Some(started)).and(Ok(false)),
                };
                match sent {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => {
                        self.told.tell(&format!("the producer of {} begins anew: {error}", its.name));
                        producer = None;
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
        self.told.tell(&format!("stream {} has all its messages", stream + 1));
    }
}

fn start(stream: &Stream, topic: &str) -> Result<FutureProducer, KafkaError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("linger.ms", "2").set("enable.idempotence", "true");
    if stream.producing == Producing::Plain {
        return config.create();
    }
    let producer: FutureProducer = config.set("transactional.id", topic).create()?;
    tokio::task::block_in_place(|| producer.init_transactions(PATIENCE))?;
    Ok(producer)
}

/// Whether they were sent, as they always are.
async fn send(
    producer: &FutureProducer,
    stream: &Stream,
    topic: &str,
    values: &[Vec<u8>],
    takes_back: bool,
) -> Result<bool, KafkaError> {
    let transactional = stream.producing == Producing::Transactions;
    if transactional {
        producer.begin_transaction()?;
    }
    let sent = values.iter().enumerate().map(|(number, value)| {
        let key = number.to_string();
        async move {
            let record = FutureRecord::to(topic).key(&key).payload(value);
            producer.send(record, Timeout::After(PATIENCE)).await.map_err(|(error, _)| error)
        }
    });
    futures::future::try_join_all(sent).await?;
    if transactional {
        tokio::task::block_in_place(|| match takes_back {
            true => producer.abort_transaction(PATIENCE),
            false => producer.commit_transaction(PATIENCE),
        })?;
    }
    Ok(true)
}
