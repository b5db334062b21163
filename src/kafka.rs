//! Builds configured Kafka clients, and says in people's words why one does not answer.

mod passage;
mod producer;
mod standing;
mod stretch;
mod topic_id;

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::chunk::Lane;
use crate::retry::Waits;
use crate::settings::KafkaSettings;

pub use passage::{Loss, Passage};
pub use producer::{Producer, Served};
pub use standing::{Onlooker, Standing};
pub use stretch::StretchReader;
pub use topic_id::topic_id;

/// The largest message that any client of ours produces: a lane's largest with the headers of a dead letter.
pub const MESSAGE_BYTES: usize = 5 << 20;

/// How long one question to a broker may take.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Kafka did not answer within the patience of a command.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KafkaDown(String);

/// What every client of ours starts from: brokers, the operator's properties, client id, log level.
pub fn client_config(settings: &KafkaSettings, role: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", format!("fabric-{role}"))
        .set("socket.keepalive.enable", "true")
        // Brokers close idle connections; that is no news.
        .set("log.connection.close", "false")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        // Partitions that an operator adds are found within this time.
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set_log_level(RDKafkaLogLevel::Warning);
    // Last, so that an operator has the last word.
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    config
}

/// Configuration of a producer that loses and doubles nothing while it lives: idempotent, acknowledged by all replicas.
/// `in_flight_bytes` bounds what it holds. `compression.type` is the operator's to set; none by default, since the
/// payload is compressed best where files are, and the brokers are near.
pub fn producer_config(settings: &KafkaSettings, role: &str, in_flight_bytes: usize) -> ClientConfig {
    // The queue must hold at least one message of the largest size.
    let queue_kib = in_flight_bytes.max(2 * MESSAGE_BYTES).div_ceil(1 << 10);
    let mut config = client_config(settings, role);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.max.bytes", MESSAGE_BYTES.to_string())
        // The broker holds a whole batch against the topic's `max.message.bytes`: two large messages must not share one.
        .set("batch.size", (MESSAGE_BYTES / 4).to_string())
        .set("linger.ms", "5")
        .set("queue.buffering.max.kbytes", queue_kib.to_string())
        // How long an unacknowledged message is tried again before its delivery fails.
        .set("message.timeout.ms", "300000");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    config
}

/// Partitions of a topic; `None` where it is not there. Blocks for up to `timeout`.
pub fn partition_count<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), timeout)?;
    let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
    Ok(found.map(|t| t.partitions().len() as i32).filter(|count| *count > 0))
}

/// Returns once a broker answers. `say` hears, once, what is waited for and for how long.
pub async fn wait_until_answers(
    settings: &KafkaSettings,
    patience: Duration,
    mut say: impl FnMut(&str),
) -> Result<(), KafkaDown> {
    let deadline = Instant::now() + patience;
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(2));
    let mut said = false;
    loop {
        let Err(error) = ask(settings).await else { return Ok(()) };
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(KafkaDown(error));
        }
        if !std::mem::replace(&mut said, true) {
            say(&format!("{error}\n  Trying again for {} s; Ctrl-C loses nothing.", remaining.as_secs()));
        }
        tokio::time::sleep(waits.next_wait().min(remaining)).await;
    }
}

/// One question to the cluster, off the async workers.
async fn ask(settings: &KafkaSettings) -> Result<(), String> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: Result<BaseConsumer, _> = client_config(&settings, "probe").create();
        let answer = consumer.and_then(|consumer| consumer.fetch_metadata(Some("__consumer_offsets"), ANSWER_TIMEOUT));
        answer.map(|_| ()).map_err(|error| describe(&error, &settings))
    });
    asked.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// An error of a client in people's words: what, where, what to do next. May try to connect, for a second at most.
pub fn describe(error: &KafkaError, settings: &KafkaSettings) -> String {
    use RDKafkaErrorCode as Code;
    let brokers = &settings.brokers;
    match error.rdkafka_error_code() {
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::Resolve
            | Code::BrokerNotAvailable
            | Code::MessageTimedOut,
        ) => format!(
            "Kafka does not answer at {brokers} ({}).\n  Is it running? `dev/stack status`, or set FABRIC_KAFKA_BROKERS.",
            reachability(brokers)
        ),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            format!("Kafka at {brokers} does not have a topic that fabric needs: run `fabric topics apply`.")
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::SSL,
        ) => format!(
            "Kafka at {brokers} does not let fabric in ({error}).\n  Check kafka.properties (security.protocol, sasl.*, ssl.*) and the rights of this user."
        ),
        _ => match error {
            KafkaError::ClientConfig(_, _, key, value) => {
                format!("Kafka property {key} cannot be {value:?} ({error}): change it in kafka.properties.")
            }
            _ => format!("Kafka at {brokers}: {error}"),
        },
    }
}

/// What a plain connection to the brokers meets: librdkafka's own error does not say.
fn reachability(brokers: &str) -> String {
    let mut fault = "no address".to_owned();
    for broker in brokers.split(',').take(1) {
        let address = match broker.trim().to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => address,
            Ok(None) => continue,
            Err(error) => return format!("{broker} is no address: {error}"),
        };
        fault = match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) => "connected, but no answer to a question".into(),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => "connection refused".into(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => "no route, or a firewall".into(),
            Err(error) => error.to_string(),
        };
    }
    fault
}

/// A client for questions only: it joins no group.
pub fn inquirer(settings: &KafkaSettings) -> Result<BaseConsumer, KafkaError> {
    client_config(settings, "inquirer").create()
}

/// A client for changes to topics.
pub fn admin(settings: &KafkaSettings) -> Result<rdkafka::admin::AdminClient<DefaultClientContext>, KafkaError> {
    client_config(settings, "admin").create()
}

impl KafkaSettings {
    /// `chunks.normal` → `fabric.chunks.normal`; also for groups (`lanes`).
    pub fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    pub fn lane_topic(&self, lane: Lane) -> String {
        self.name(lane.topic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> KafkaSettings {
        KafkaSettings { brokers: "127.0.0.1:1".into(), prefix: "t.".into(), properties: vec![] }
    }

    #[test]
    fn an_absent_kafka_is_named_with_address_cause_and_remedy() {
        let error = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
        let said = describe(&error, &nowhere());
        assert_eq!(
            said,
            "Kafka does not answer at 127.0.0.1:1 (connection refused).\n  \
             Is it running? `dev/stack status`, or set FABRIC_KAFKA_BROKERS."
        );
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let mut settings = nowhere();
        settings.properties = vec![("linger.ms".into(), "50".into()), ("compression.type".into(), "zstd".into())];
        let config = producer_config(&settings, "ingest", 32 << 20);
        assert_eq!(config.get("linger.ms"), Some("50"));
        assert_eq!(config.get("compression.type"), Some("zstd"));
        assert_eq!(config.get("client.id"), Some("fabric-ingest"));
        assert_eq!(config.get("queue.buffering.max.kbytes"), Some("32768"));
    }

    #[test]
    fn librdkafka_knows_every_property_that_we_set() {
        let made: Result<rdkafka::producer::BaseProducer, _> = producer_config(&nowhere(), "ingest", 0).create();
        assert!(made.is_ok());
        assert!(inquirer(&nowhere()).is_ok());
    }

    #[tokio::test]
    async fn patience_runs_out_with_the_reason() {
        let mut said = vec![];
        let outcome =
            wait_until_answers(&nowhere(), Duration::from_millis(10), |words| said.push(words.to_owned())).await;
        assert!(outcome.expect_err("nobody listens there").to_string().starts_with("Kafka does not answer at"));
    }
}
