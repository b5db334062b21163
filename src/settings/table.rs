//! Every setting, declared once: its key, its variable, its bounds, its meaning, its place in [`Settings`].

use std::time::Duration;

use super::{Settings, units};

/// librdkafka's own properties stand under this key: `kafka.properties.security.protocol`.
pub const PROPERTIES_KEY: &str = "kafka.properties.";
/// And under this variable: `FABRIC_KAFKA_PROPERTIES_SECURITY_PROTOCOL`.
pub const PROPERTIES_ENV: &str = "FABRIC_KAFKA_PROPERTIES_";

pub struct Spec {
    /// `validate.workers`: section and name, as in the file.
    pub key: &'static str,
    pub env: &'static str,
    /// For people, one line.
    pub doc: &'static str,
    pub mask: Mask,
    allowed: Allowed,
    slot: for<'s> fn(&'s mut Settings) -> Slot<'s>,
}

/// What is hidden where a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    Open,
    /// The password inside a URL.
    UrlPassword,
    /// All of it.
    Whole,
}

enum Allowed {
    /// Any text that is not empty.
    Text,
    OneOf(&'static [&'static str]),
    /// Inclusive; bytes, milliseconds or plain numbers.
    Between(u64, u64),
    Any,
}

/// The place of a value, and with it how its text is read.
enum Slot<'s> {
    Text(&'s mut String),
    /// Separated by commas.
    List(&'s mut Vec<String>),
    Switch(&'s mut bool),
    Count(&'s mut usize),
    Count32(&'s mut u32),
    Count64(&'s mut u64),
    Bytes(&'s mut usize),
    Bytes64(&'s mut u64),
    Time(&'s mut Duration),
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
/// What a Kafka message holds beside a chunk's payload (4 MiB in all): envelope and header record.
const LARGEST_PAYLOAD: u64 = 7 << 19;

macro_rules! spec {
    ($key:literal, $env:literal, $slot:ident($($field:tt)+), $allowed:expr, $mask:ident, $doc:literal) => {
        Spec {
            key: $key,
            env: $env,
            doc: $doc,
            mask: Mask::$mask,
            allowed: $allowed,
            slot: |settings| Slot::$slot(&mut settings.$($field)+),
        }
    };
}

use Allowed::{Any, Between, OneOf, Text};

#[rustfmt::skip]
pub static SPECS: &[Spec] = &[
    spec!("kafka.brokers", "FABRIC_KAFKA_BROKERS", Text(kafka.brokers), Text, Open,
        "Where Kafka answers: host:port, several separated by commas"),
    spec!("kafka.prefix", "FABRIC_KAFKA_PREFIX", Text(kafka.prefix), Any, Open,
        "Stands before the name of every topic and group of this installation"),
    spec!("postgres.url", "FABRIC_POSTGRES_URL", Text(postgres.url), Text, UrlPassword,
        "Where Postgres answers: postgres://user:password@host:port/database"),
    spec!("postgres.pool", "FABRIC_POSTGRES_POOL", Count32(postgres.pool), Between(1, 500), Open,
        "Connections of a process beside its loaders"),
    spec!("postgres.acquire_timeout", "FABRIC_POSTGRES_ACQUIRE_TIMEOUT", Time(postgres.acquire_timeout), Between(100, HOUR), Open,
        "How long to wait for a free connection"),
    spec!("redis.url", "FABRIC_REDIS_URL", Text(redis.url), Any, UrlPassword,
        "Where Redis answers: redis://user:password@host:port/database, rediss:// for TLS; none unless set"),
    spec!("redis.pool", "FABRIC_REDIS_POOL", Count(redis.pool), Between(1, 64), Open,
        "Connections of a process to Redis"),
    spec!("redis.timeout", "FABRIC_REDIS_TIMEOUT", Time(redis.timeout), Between(1, 10 * SECOND), Open,
        "How long Redis is waited for before Postgres is asked"),
    spec!("schema_registry.url", "FABRIC_SCHEMA_REGISTRY_URL", Text(schema_registry.url), Any, UrlPassword,
        "Where a schema registry speaks Confluent's API: http://host:port, or https://; none unless set"),
    spec!("schema_registry.user", "FABRIC_SCHEMA_REGISTRY_USER", Text(schema_registry.user), Any, Open,
        "Who fabric is to the schema registry (basic authentication)"),
    spec!("schema_registry.password", "FABRIC_SCHEMA_REGISTRY_PASSWORD", Text(schema_registry.password), Any, Whole,
        "The password of schema_registry.user"),
    spec!("schema_registry.timeout", "FABRIC_SCHEMA_REGISTRY_TIMEOUT", Time(schema_registry.timeout), Between(10, 60 * SECOND), Open,
        "How long one question to the schema registry may take"),
    spec!("schema_registry.id_patience", "FABRIC_SCHEMA_REGISTRY_ID_PATIENCE", Time(schema_registry.id_patience), Between(0, HOUR), Open,
        "How long a record waits whose schema's id the registry does not know; then it is a reject"),
    spec!("cache.feeds_bytes", "FABRIC_CACHE_FEEDS_BYTES", Bytes64(cache.feeds.bytes), Between(MIB, 1 << 40), Open,
        "Memory of a process for definitions of feeds"),
    spec!("cache.feeds_ttl", "FABRIC_CACHE_FEEDS_TTL", Time(cache.feeds.ttl), Between(SECOND, 30 * 24 * HOUR), Open,
        "How long definitions of feeds stay in memory that nobody asks for, and all in Redis, give or take a tenth"),
    spec!("cache.templates_bytes", "FABRIC_CACHE_TEMPLATES_BYTES", Bytes64(cache.templates.bytes), Between(MIB, 1 << 40), Open,
        "Memory of a process for templates"),
    spec!("cache.templates_ttl", "FABRIC_CACHE_TEMPLATES_TTL", Time(cache.templates.ttl), Between(SECOND, 30 * 24 * HOUR), Open,
        "How long templates stay in memory that nobody asks for, and all in Redis, give or take a tenth"),
    spec!("cache.plans_bytes", "FABRIC_CACHE_PLANS_BYTES", Bytes64(cache.plans.bytes), Between(MIB, 1 << 40), Open,
        "Memory of a process for compiled rules"),
    spec!("cache.plans_ttl", "FABRIC_CACHE_PLANS_TTL", Time(cache.plans.ttl), Between(SECOND, 30 * 24 * HOUR), Open,
        "How long compiled rules stay in memory that no chunk asks for, give or take a tenth"),
    spec!("cache.references_bytes", "FABRIC_CACHE_REFERENCES_BYTES", Bytes64(cache.references.bytes), Between(MIB, 1 << 40), Open,
        "Memory of a process for reference sets"),
    spec!("cache.references_ttl", "FABRIC_CACHE_REFERENCES_TTL", Time(cache.references.ttl), Between(SECOND, 30 * 24 * HOUR), Open,
        "How long reference sets stay in memory that no chunk asks for, give or take a tenth"),
    spec!("cache.schemas_bytes", "FABRIC_CACHE_SCHEMAS_BYTES", Bytes64(cache.schemas.bytes), Between(64 * KIB, 1 << 40), Open,
        "Memory of a process for schemas of the schema registry"),
    spec!("cache.schemas_ttl", "FABRIC_CACHE_SCHEMAS_TTL", Time(cache.schemas.ttl), Between(SECOND, 30 * 24 * HOUR), Open,
        "How long schemas stay in memory that no record asks for, and all in Redis, give or take a tenth"),
    spec!("ingest.chunk_bytes", "FABRIC_INGEST_CHUNK_BYTES", Bytes(ingest.chunk_bytes), Between(4 * KIB, LARGEST_PAYLOAD), Open,
        "Size of a chunk: one message, one transaction"),
    spec!("ingest.record_bytes", "FABRIC_INGEST_RECORD_BYTES", Bytes(ingest.record_bytes), Between(KIB, LARGEST_PAYLOAD), Open,
        "A longer record is rejected"),
    spec!("ingest.in_flight_bytes", "FABRIC_INGEST_IN_FLIGHT_BYTES", Bytes(ingest.in_flight_bytes), Between(4 * MIB, 1 << 40), Open,
        "Published and not yet acknowledged by Kafka, at most"),
    spec!("ingest.backlog_bytes", "FABRIC_INGEST_BACKLOG_BYTES", Bytes64(ingest.backlog_bytes), Between(4 * MIB, 1 << 50), Open,
        "Published and not yet loaded, of one job, at most"),
    spec!("ingest.lease", "FABRIC_INGEST_LEASE", Time(ingest.lease), Between(3 * SECOND, HOUR), Open,
        "A job whose publisher is silent for this long shows as stalled"),
    spec!("ingest.http_listen", "FABRIC_INGEST_HTTP_LISTEN", Text(ingest.http_listen), Any, Open,
        "Where ingest answers /health and /metrics while it runs; nowhere unless set"),
    spec!("ingest.patience", "FABRIC_INGEST_PATIENCE", Time(ingest.patience), Between(0, 24 * HOUR), Open,
        "How long a command waits for a Kafka or Postgres that does not answer"),
    spec!("validate.workers", "FABRIC_VALIDATE_WORKERS", Count(validate.workers), Between(1, 1024), Open,
        "Threads that parse and judge (default: twice the cores)"),
    spec!("validate.loaders", "FABRIC_VALIDATE_LOADERS", Count(validate.loaders), Between(1, 64), Open,
        "Connections that load the normal lane"),
    spec!("validate.high_workers", "FABRIC_VALIDATE_HIGH_WORKERS", Count(validate.high_workers), Between(1, 1024), Open,
        "Threads kept for the high lane"),
    spec!("validate.high_loaders", "FABRIC_VALIDATE_HIGH_LOADERS", Count(validate.high_loaders), Between(1, 64), Open,
        "Connections kept for the high lane"),
    spec!("validate.queue_bytes", "FABRIC_VALIDATE_QUEUE_BYTES", Bytes(validate.queue_bytes), Between(4 * MIB, 1 << 40), Open,
        "Messages, chunks and rows in memory, per lane, from consumed to committed"),
    spec!("validate.session_timeout", "FABRIC_VALIDATE_SESSION_TIMEOUT", Time(validate.session_timeout), Between(SECOND, HOUR), Open,
        "A silent member loses its partitions after this long"),
    spec!("validate.heartbeat", "FABRIC_VALIDATE_HEARTBEAT", Time(validate.heartbeat), Between(50, HOUR), Open,
        "Between two signs of life to the group"),
    spec!("validate.group_protocol", "FABRIC_VALIDATE_GROUP_PROTOCOL", Text(validate.group_protocol), OneOf(&["classic", "consumer"]), Open,
        "classic, or consumer (KIP-848; its timeouts are the broker's)"),
    spec!("validate.grace", "FABRIC_VALIDATE_GRACE", Time(validate.grace), Between(0, HOUR), Open,
        "How long SIGTERM lets chunks in flight finish"),
    spec!("load.target_schemas", "FABRIC_LOAD_TARGET_SCHEMAS", List(load.target_schemas), Text, Open,
        "Schemas that target tables may live in, separated by commas"),
    spec!("load.lock_timeout", "FABRIC_LOAD_LOCK_TIMEOUT", Time(load.lock_timeout), Between(10, HOUR), Open,
        "How long a load waits for a lock"),
    spec!("load.evict_after", "FABRIC_LOAD_EVICT_AFTER", Time(load.evict_after), Between(100, HOUR), Open,
        "A loader's transaction older than this may be ended when it blocks another"),
    spec!("load.kept_rejects", "FABRIC_LOAD_KEPT_REJECTS", Count64(load.kept_rejects), Between(0, 1 << 40), Open,
        "Rejects of a job whose source bytes are kept; past it only their byte ranges"),
    spec!("load.together", "FABRIC_LOAD_TOGETHER", Count(load.together), Between(1, 64), Open,
        "Chunks of one feed in one transaction, at most, where several wait"),
    spec!("steward.interval", "FABRIC_STEWARD_INTERVAL", Time(steward.interval), Between(10, HOUR), Open,
        "Between two rounds while jobs are live"),
    spec!("steward.probe_interval", "FABRIC_STEWARD_PROBE_INTERVAL", Time(steward.probe_interval), Between(10, HOUR), Open,
        "Before a target at fault is tried again; then up to 30 times as long"),
    spec!("http.listen", "FABRIC_HTTP_LISTEN", Text(http.listen), Text, Open,
        "Where validate and steward answer /health and /metrics: host:port; port 0 is any that is free"),
    spec!("log.filter", "FABRIC_LOG", Text(log.filter), Text, Open,
        "What is logged: info, or fabric=debug,rdkafka=warn"),
    spec!("log.json", "FABRIC_LOG_JSON", Switch(log.json), Any, Open,
        "One JSON object per line instead of text"),
];

impl Spec {
    /// Reads `text` into its place; the error says what was expected. `text` itself is left out where it is secret.
    pub(super) fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        let found = |expected: &str| match self.mask {
            Mask::Open => format!("{}: `{text}` is not {expected}", self.key),
            Mask::UrlPassword | Mask::Whole => format!("{}: the value is not {expected}", self.key),
        };
        self.check_text(text).map_err(|expected| found(&expected))?;
        match (self.slot)(settings) {
            Slot::Text(place) => *place = text.to_owned(),
            Slot::List(place) => {
                *place = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
            }
            Slot::Switch(place) => *place = text.parse().map_err(|_| found("true or false"))?,
            Slot::Count(place) => {
                *place =
                    narrow(self.bounded(text.parse().ok(), "a whole number", u64::to_string).map_err(|e| found(&e))?);
            }
            Slot::Count32(place) => {
                *place =
                    narrow(self.bounded(text.parse().ok(), "a whole number", u64::to_string).map_err(|e| found(&e))?);
            }
            Slot::Count64(place) => {
                *place = self.bounded(text.parse().ok(), "a whole number", u64::to_string).map_err(|e| found(&e))?;
            }
            Slot::Bytes(place) => *place = narrow(self.size(text).map_err(|e| found(&e))?),
            Slot::Bytes64(place) => *place = self.size(text).map_err(|e| found(&e))?,
            Slot::Time(place) => {
                let millis = units::parse_duration(text).map(|time| time.as_millis() as u64);
                let show = |millis: &u64| units::duration(Duration::from_millis(*millis));
                let millis = self.bounded(millis, "a time such as 500ms, 15s or 2m", show).map_err(|e| found(&e))?;
                *place = Duration::from_millis(millis);
            }
        }
        Ok(())
    }

    /// The effective value as [`Spec::set`] reads it, secrets masked.
    pub(super) fn show(&self, settings: &Settings) -> String {
        let mut copy = settings.clone();
        let text = match (self.slot)(&mut copy) {
            Slot::Text(place) => place.clone(),
            Slot::List(place) => place.join(","),
            Slot::Switch(place) => place.to_string(),
            Slot::Count(place) => place.to_string(),
            Slot::Count32(place) => place.to_string(),
            Slot::Count64(place) => place.to_string(),
            Slot::Bytes(place) => units::size(*place as u64),
            Slot::Bytes64(place) => units::size(*place),
            Slot::Time(place) => units::duration(*place),
        };
        match self.mask {
            Mask::Open => text,
            Mask::UrlPassword => mask_password(&text),
            Mask::Whole if text.is_empty() => text,
            Mask::Whole => "****".to_owned(),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        match self.allowed {
            Allowed::Text if text.trim().is_empty() => Err("allowed to be empty".to_owned()),
            Allowed::OneOf(words) if !words.contains(&text) => Err(format!("one of {}", words.join(", "))),
            _ => Ok(()),
        }
    }

    fn size(&self, text: &str) -> Result<u64, String> {
        self.bounded(units::parse_size(text), "a size such as 512KiB or 32MiB", |bytes| units::size(*bytes))
    }

    fn bounded(&self, value: Option<u64>, expected: &str, show: impl Fn(&u64) -> String) -> Result<u64, String> {
        match (value, &self.allowed) {
            (None, _) => Err(expected.to_owned()),
            (Some(value), Allowed::Between(least, most)) if !(least..=most).contains(&&value) => {
                Err(format!("between {} and {}", show(least), show(most)))
            }
            (Some(value), _) => Ok(value),
        }
    }
}

/// Every range ends far below `usize::MAX` and `u32::MAX` of the types that it is narrowed to.
fn narrow<T: TryFrom<u64>>(value: u64) -> T {
    T::try_from(value).ok().expect("the setting's range fits its type")
}

/// `postgres://fabric:s3cret@host/db?password=x` → `postgres://fabric:****@host/db?password=****`.
fn mask_password(url: &str) -> String {
    let (main, query) = url.split_once('?').map_or((url, None), |(main, query)| (main, Some(query)));
    let mut shown = match main.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((login, host)))) => match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:****@{host}"),
            None => main.to_owned(),
        },
        _ => main.to_owned(),
    };
    for (index, part) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match part.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
                shown.push_str(&format!("{name}=****"))
            }
            _ => shown.push_str(part),
        }
    }
    shown
}

/// Properties of librdkafka that are secrets: `sasl.password`, `ssl.key.password`, keys in PEM, OAuth secrets.
pub(super) fn is_secret_property(name: &str) -> bool {
    ["password", "secret", "pem", "token"].iter().any(|word| name.contains(word))
}
