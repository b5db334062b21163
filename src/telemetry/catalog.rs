//! Every metric, declared once: `docs/metrics.md` is made of this table, and so is what Prometheus reads.

use super::metric::{Kind, Label, Metric, Values};
use super::statement::Statement;

const FEED: Label = Label { name: "feed", values: Values::Named("name of the feed") };
const RULE: Label = Label { name: "rule", values: Values::Named("the rule, as reports name it") };
const TOPIC: Label = Label { name: "topic", values: Values::Named("the lane's topic") };
const RECORD_TOPIC: Label = Label { name: "topic", values: Values::Named("the record topic") };
const PARTITION: Label = Label { name: "partition", values: Values::Named("number of the partition") };
const LANE: Label = Label { name: "lane", values: Values::Of(&["normal", "high"]) };
const POOL: Label = Label { name: "pool", values: Values::Of(&["service", "loaders"]) };

const KIND: Label = Label { name: "kind", values: Values::Of(&["feed", "template", "reference"]) };

const CACHE: Label =
    Label { name: "cache", values: Values::Of(&["feeds", "templates", "plans", "references", "active", "schemas"]) };
const LEVEL: Label = Label { name: "level", values: Values::Of(&["process", "redis", "postgres", "registry"]) };

/// Where the time of a chunk goes, in the order of its way.
pub const STAGES: &[&str] =
    &["backpressure", "publish", "fetch", "queue", "decode", "judge", "load_wait", "load", "fence", "copy", "commit"];

/// Words of the dead letters' header `fabric-reason`.
const REASONS: &[&str] =
    &["unknown", "conflict", "late", "killer", "header", "not-avro", "unknown-schema", "malformed", "checksum"];

macro_rules! catalog {
    ($($constant:ident: $kind:ident $name:literal [$($label:expr),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// In the order of the page.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
}

catalog! {
    PUBLISHED_RECORDS: Counter "fabric_published_records_total" []
        "Records in chunks that Kafka has acknowledged to this process";
    PUBLISHED_CHUNKS: Counter "fabric_published_chunks_total" []
        "Chunks that Kafka has acknowledged to this process";
    PUBLISHED_BYTES: Counter "fabric_published_bytes_total" []
        "Bytes of messages that Kafka has acknowledged to this process";
    PUBLISHING_BYTES: Gauge "fabric_publishing_bytes" []
        "Bytes of messages that are sent and not yet acknowledged by Kafka";

    LOADED_RECORDS: Counter "fabric_loaded_records_total" [FEED]
        "Records that this process has committed to their target";
    REJECTED_RECORDS: Counter "fabric_rejected_records_total" [FEED]
        "Records that this process has committed as rejects";
    REJECTS: Counter "fabric_rejects_total" [FEED, RULE]
        "Rejects by each rule of severity error that they broke: one that broke two rules counts twice";
    LOADED_CHUNKS: Counter "fabric_loaded_chunks_total" [FEED]
        "Chunks that this process has committed";
    LOADED_BYTES: Counter "fabric_loaded_bytes_total" [FEED]
        "Bytes of the source file in chunks that this process has committed";

    LEDGER_ANSWERS: Counter "fabric_ledger_answers_total"
        [Label { name: "answer", values: Values::Of(&["load", "already", "conflict", "stopped", "unknown"]) }]
        "Answers of the fence: already is a chunk that came again, conflict one that came with other bytes";
    PARKED_CHUNKS: Counter "fabric_parked_chunks_total" [FEED]
        "Chunks that this process has recorded as owed, since their target could not take them";
    DEAD_LETTERS: Counter "fabric_dead_letters_total" [Label { name: "reason", values: Values::Of(REASONS) }]
        "Messages that could not be used and are in the dead letters";
    QUARANTINED_CHUNKS: Counter "fabric_quarantined_chunks_total" [FEED]
        "Chunks that this process has put aside, since they killed their worker each time";
    EVICTIONS: Counter "fabric_evictions_total" []
        "Frozen loaders that this process has evicted, since they held a lock that a chunk needed";
    PANICS: Counter "fabric_panics_total" []
        "Panics: faults of fabric's own; each is a line of the log";

    STAGE: Histogram "fabric_stage_seconds" [Label { name: "stage", values: Values::Of(STAGES) }]
        "Time of one step; fence, copy and commit are parts of load, which may take several chunks at once";
    STATEMENT: Histogram "fabric_statement_seconds" [Label { name: "statement", values: Values::Of(Statement::NAMES) }]
        "Time of a named statement, from sending it until Postgres has answered";

    QUEUE_BYTES: Gauge "fabric_queue_bytes" [LANE]
        "Bytes of messages, chunks and rows in memory, from consumed to committed";
    QUEUE_LIMIT_BYTES: Gauge "fabric_queue_limit_bytes" [LANE]
        "Bytes at which a lane takes no more messages (validate.queue_bytes)";
    LAG_MESSAGES: Gauge "fabric_lag_messages" [TOPIC, PARTITION]
        "Messages of a partition that this member holds and has not finished, fetched or not";
    LAG_RECORDS: Gauge "fabric_lag_estimated_records" [TOPIC, PARTITION]
        "Records in these messages, by the mean of those that this member has read; absent until it has read one";
    LAG_SECONDS: Gauge "fabric_lag_seconds" [TOPIC, PARTITION]
        "How long ago the oldest unfinished message was appended; 0 where none is";
    PARTITIONS: Gauge "fabric_partitions"
        [Label { name: "standing", values: Values::Of(&["proving", "open", "refused"]) }]
        "Partitions that this member holds: proving and refused ones are not taken from";

    STREAM_LAG: Gauge "fabric_stream_lag_messages"
        [RECORD_TOPIC, PARTITION, Label { name: "standing", values: Values::Of(&["waiting", "paused", "parked", "gap"]) }]
        "Messages of a record topic's partition that this member holds and that are not in Postgres, by what they wait for";

    POOL_CONNECTIONS: Gauge "fabric_pool_connections" [POOL]
        "Connections to Postgres that are open";
    POOL_IN_USE: Gauge "fabric_pool_in_use_connections" [POOL]
        "Connections to Postgres that work on something";
    POOL_WAITING: Gauge "fabric_pool_waiting" [POOL]
        "Who waits for a connection: chunks before the loaders, questions before the service pool";
    POOL_ACQUIRE: Histogram "fabric_pool_acquire_seconds" [POOL]
        "Time until a connection was free for who asked";

    LEADER: Gauge "fabric_steward_leader" []
        "1 where this process leads as steward, else 0; the sum over an installation is 1";
    ROUND: Histogram "fabric_steward_round_seconds" []
        "Time of one round of the leading steward";
    JOBS: Gauge "fabric_jobs" [Label { name: "state", values: Values::Of(&[
            "registered", "publishing", "loading", "reconciling", "parked", "stopping", "stalled", "incomplete",
        ]) }]
        "Jobs that have not ended, by state, as the leading steward saw them last";
    STREAM_THRESHOLDS: Counter "fabric_stream_thresholds_total"
        [FEED, Label { name: "action", values: Values::Of(&["stop", "alert"]) }]
        "Thresholds of streams that the leading steward has seen passed, each once in a window";
    OWED_CHUNKS: Gauge "fabric_owed_chunks" []
        "Chunks that are recorded as owed, of all jobs, as the leading steward saw them last";
    JOB_EVENTS: Counter "fabric_job_events_total" [Label { name: "kind", values: Values::Of(&["state", "alert"]) }]
        "Job events that the leading steward has published";
    CONFIG_PUBLISHED: Counter "fabric_config_published_total" [KIND]
        "Config events that the leading steward has published";

    CONFIG_FOLLOWS: Gauge "fabric_config_follows" []
        "1 where this process follows the config topic, 0 where it reads Postgres every second instead";
    CONFIG_EVENTS: Counter "fabric_config_events_total"
        [Label { name: "outcome", values: Values::Of(&["applied", "known", "set_aside"]) }]
        "Config events: applied are changes, however this process heard of them; set_aside are those of no use";
    CONFIG_PROPAGATION: Histogram "fabric_config_propagation_seconds" [KIND]
        "From the commit of a change, by the clock of Postgres, until this process has applied it";
    CACHE_LOOKUPS: Counter "fabric_cache_lookups_total"
        [CACHE, LEVEL, Label { name: "outcome", values: Values::Of(&["hit", "miss", "error", "refused"]) }]
        "Lookups by level: a miss goes on to the next; refused is what Redis holds and is not the real one";
    CACHE_LOAD: Histogram "fabric_cache_load_seconds" [CACHE]
        "Time until a thing that was not in memory was loaded, compiled and ready";
    CACHE_EVICTIONS: Counter "fabric_cache_evictions_total"
        [CACHE, Label { name: "cause", values: Values::Of(&["room", "expired", "replaced"]) }]
        "Entries that left memory: room is for others";
    CACHE_AGE: Histogram "fabric_cache_age_seconds" [CACHE]
        "Age of entries when they left memory";
    CACHE_ENTRIES: Gauge "fabric_cache_entries" [CACHE]
        "Entries in memory";
    CACHE_BYTES: Gauge "fabric_cache_bytes" [CACHE]
        "Bytes of entries in memory; of plans an estimate";
    REDIS: Gauge "fabric_redis_well" []
        "1 where Redis answers and takes what it is given, else 0; absent where none is set";
    REDIS_CALL: Histogram "fabric_redis_call_seconds"
        [Label { name: "call", values: Values::Of(&["get", "set", "ping"]) }]
        "Time of a question to Redis, until it was answered or given up";

    REGISTRY: Gauge "fabric_schema_registry_well" []
        "1 where the schema registry gave an answer when it was last asked, else 0; absent where none is set";
    REGISTRY_BREAKER: Gauge "fabric_schema_registry_breaker_open" []
        "1 where the schema registry has failed so often that it is asked now and then only, else 0";
    REGISTRY_REQUEST: Histogram "fabric_schema_registry_request_seconds"
        [Label { name: "outcome", values: Values::Of(&["found", "unknown", "silent", "refused", "unusable"]) }]
        "Time of a question to the schema registry: silent is no answer, unusable one that makes no sense";

    BUILD: Gauge "fabric_build_info"
        [Label { name: "version", values: Values::Named("version of fabric") },
         Label { name: "role", values: Values::Of(&["ingest", "validate", "steward"]) }]
        "1";
    MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory of the process that is in RAM";
    CPU: Counter "process_cpu_seconds_total" []
        "CPU time of the process, user and system, in whole seconds";
    STARTED: Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970-01-01T00:00:00Z";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_unit_and_whether_it_only_grows() {
        for metric in METRICS {
            let Metric { name, kind, help, .. } = metric;
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(name.starts_with("fabric_") || name.starts_with("process_"), "{name}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn no_name_is_declared_twice() {
        let names: std::collections::BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
    }
}
