//! What an operator tunes per process: flags over environment over a TOML file over defaults.

mod fault;
mod file;
mod origin;
mod resolve;
mod table;
mod units;

use std::time::Duration;

pub use fault::{SettingFault, SettingFaults};
pub use origin::Origin;
pub use resolve::{Effective, Given, Shown};
pub use table::{PROPERTIES_ENV, PROPERTIES_KEY, SPECS, Spec};
pub use units::parse_duration;

/// Effective settings of one process.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kafka: KafkaSettings,
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub schema_registry: RegistrySettings,
    pub cache: CacheSettings,
    pub ingest: IngestSettings,
    pub validate: ValidateSettings,
    pub load: LoadSettings,
    pub steward: StewardSettings,
    pub http: HttpSettings,
    pub log: LogSettings,
}

#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port,…`. `FABRIC_KAFKA_BROKERS`.
    pub brokers: String,
    /// Stands before every topic and group: `fabric.`. `FABRIC_KAFKA_PREFIX`.
    pub prefix: String,
    /// Any librdkafka property (`security.protocol`, …), passed to every client.
    pub properties: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `FABRIC_POSTGRES_URL`. A secret.
    pub url: String,
    /// Connections of the pool that is not for loading.
    pub pool: u32,
    pub acquire_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://…`, `rediss://…` for TLS; empty: there is none. `FABRIC_REDIS_URL`. A secret.
    pub url: String,
    /// Connections of a process.
    pub pool: usize,
    /// Nothing waits longer for an answer.
    pub timeout: Duration,
}

/// Of a registry that speaks Confluent's API.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// `http://…` or `https://…`, up to where `/schemas` begins; empty: there is none. `FABRIC_SCHEMA_REGISTRY_URL`. May
    /// hold a secret.
    pub url: String,
    pub user: String,
    /// A secret.
    pub password: String,
    /// Of one question.
    pub timeout: Duration,
    /// A record whose schema's id the registry does not know waits for so long; then it is a reject.
    pub id_patience: Duration,
}

/// What a process keeps in memory of what others edit.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    pub feeds: RoomSettings,
    pub templates: RoomSettings,
    /// Compiled rules.
    pub plans: RoomSettings,
    /// Reference sets.
    pub references: RoomSettings,
    /// Schemas of the schema registry.
    pub schemas: RoomSettings,
}

#[derive(Debug, Clone, Copy)]
pub struct RoomSettings {
    /// At most; what was used least goes first.
    pub bytes: u64,
    /// An entry goes after about this long without use.
    pub ttl: Duration,
}

#[derive(Debug, Clone)]
pub struct IngestSettings {
    pub chunk_bytes: usize,
    pub record_bytes: usize,
    /// Published, not yet acknowledged by Kafka.
    pub in_flight_bytes: usize,
    /// Of one job: published, not yet loaded.
    pub backlog_bytes: u64,
    /// An unrenewed lease shows the job as stalled after this long.
    pub lease: Duration,
    /// How long a one-shot command waits for a Kafka or Postgres that does not answer.
    pub patience: Duration,
    /// Of health and metrics; empty: nowhere.
    pub http_listen: String,
}

#[derive(Debug, Clone)]
pub struct ValidateSettings {
    /// Workers that parse and judge. Default 2 × cores.
    pub workers: usize,
    /// Loader connections for the normal lane.
    pub loaders: usize,
    /// Reserved for the high lane.
    pub high_workers: usize,
    pub high_loaders: usize,
    /// Bytes of chunks in this process, per lane, from consumed to committed.
    pub queue_bytes: usize,
    pub session_timeout: Duration,
    pub heartbeat: Duration,
    /// `classic` or `consumer` (KIP-848).
    pub group_protocol: String,
    /// How long SIGTERM lets chunks in flight finish.
    pub grace: Duration,
}

#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// Schemas that targets may live in.
    pub target_schemas: Vec<String>,
    /// Of the fence and of COPY.
    pub lock_timeout: Duration,
    /// A loader's transaction older than this may be evicted when it blocks another.
    pub evict_after: Duration,
    /// Rejects of one job whose source bytes are kept; past it only their byte ranges are.
    pub kept_rejects: u64,
    /// Chunks of one feed that are loaded by one transaction, at most, where several wait.
    pub together: usize,
}

#[derive(Debug, Clone)]
pub struct StewardSettings {
    /// Between two rounds while jobs are live.
    pub interval: Duration,
    /// Before a target at fault is tried for the first time; later waits grow from it, to 30 times as long.
    pub probe_interval: Duration,
}

#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `host:port` of health and metrics, of roles that stay up. By default a free port of this machine alone: several
    /// processes on one machine must not stand in each other's way.
    pub listen: String,
}

#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A `tracing` filter: `info`, `fabric=debug`.
    pub filter: String,
    pub json: bool,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            kafka: KafkaSettings { brokers: "127.0.0.1:9092".into(), prefix: "fabric.".into(), properties: vec![] },
            postgres: PostgresSettings {
                url: "postgres://127.0.0.1:5432/fabric".into(),
                pool: 4,
                acquire_timeout: Duration::from_secs(10),
            },
            redis: RedisSettings { url: String::new(), pool: 2, timeout: Duration::from_millis(50) },
            schema_registry: RegistrySettings {
                url: String::new(),
                user: String::new(),
                password: String::new(),
                timeout: Duration::from_secs(5),
                id_patience: Duration::from_secs(60),
            },
            cache: CacheSettings {
                feeds: RoomSettings { bytes: 16 << 20, ttl: HOUR },
                templates: RoomSettings { bytes: 8 << 20, ttl: HOUR },
                plans: RoomSettings { bytes: 64 << 20, ttl: 6 * HOUR },
                references: RoomSettings { bytes: 1 << 30, ttl: 6 * HOUR },
                schemas: RoomSettings { bytes: 8 << 20, ttl: 24 * HOUR },
            },
            ingest: IngestSettings {
                chunk_bytes: 1 << 20,
                record_bytes: 7 << 19,
                in_flight_bytes: 32 << 20,
                backlog_bytes: 512 << 20,
                lease: Duration::from_secs(15),
                patience: Duration::from_secs(60),
                http_listen: String::new(),
            },
            validate: ValidateSettings {
                workers: 2 * cores,
                loaders: 2,
                high_workers: 1,
                high_loaders: 1,
                queue_bytes: 48 << 20,
                session_timeout: Duration::from_secs(6),
                heartbeat: Duration::from_millis(500),
                group_protocol: "classic".into(),
                grace: Duration::from_secs(25),
            },
            load: LoadSettings {
                target_schemas: vec!["public".into()],
                lock_timeout: Duration::from_secs(2),
                evict_after: Duration::from_secs(5),
                kept_rejects: 1_000_000,
                together: 4,
            },
            steward: StewardSettings { interval: Duration::from_millis(200), probe_interval: Duration::from_secs(1) },
            http: HttpSettings { listen: "127.0.0.1:0".into() },
            log: LogSettings { filter: "info".into(), json: false },
        }
    }
}

#[cfg(test)]
mod tests;
