//! fabric loads large files of records into Postgres through Kafka, each record exactly once.
//!
//! The modules in the order in which data flows:
//!
//! | module | turns | into |
//! |---|---|---|
//! | [`feed`] | a feed definition (YAML) | a checked [`feed::Feed`] |
//! | [`source`] | a path, a pipe | a stream of decompressed bytes |
//! | [`chunk`] | a stream of bytes | [`chunk::Chunk`]s of whole records, and Kafka messages |
//! | [`record`] | a chunk | borrowed records with their positions |
//! | [`rules`] | a feed | a compiled [`rules::Plan`]; a chunk and a plan into a [`rules::Verdict`] |
//! | [`copy`] | values and rejects | rows in the binary format of COPY |
//! | [`ledger`] | a delivery, a job's rows | what to do with it, what they add up to |
//! | [`report`] | totals | the report that people and programs read |
//! | [`check`] | a feed and a local file | a report, with no server |
//! | [`generate`] | a seed | a deterministic file with known bad records |
//! | [`topics`] | declarations | Kafka topics |
//! | [`ingest`] | files | chunk messages on a lane |
//! | [`publishers`] | what programs that publish chunks ask | jobs, opened, kept and closed |
//! | [`validate`] | chunk messages | judged chunks, handed to a loader |
//! | [`load`] | a judged chunk | one Postgres transaction |
//! | [`streams`] | messages of record topics | batches in Postgres, fenced by positions |
//! | [`config`] | what users edit | immutable versions in Postgres, known and cached in every process |
//! | [`jobs`] | what people ask of a job | state in Postgres |
//! | [`steward`] | ledger rows | job states, events |
//! | [`recover`] | what Kafka keeps of jobs | rows that Postgres has forgotten; partitions that go back |
//! | [`processes`] | heartbeats | who runs, what each holds, where its time goes |
//! | [`top`] | readings of Postgres and Kafka | a live view for people |
//! | [`doctor`] | an installation | what is wrong with it, and what to do |
//! | [`faults`] | what the fault suite wants | this program, killed, frozen or wrong at a chosen place; in no release |
//!
//! `feed`, `chunk`, `record`, `rules`, `copy`, `ledger`, `report` and `generate` are pure: no client library, no clock,
//! no async. The feature `server` adds what talks to Kafka and Postgres.

pub mod check;
pub mod chunk;
#[cfg(feature = "server")]
pub mod config;
pub mod copy;
pub mod feed;
pub mod generate;
pub mod ledger;
pub mod record;
pub mod report;
pub mod rules;
pub mod settings;
pub mod source;

#[cfg(feature = "server")]
pub mod doctor;
#[cfg(feature = "server")]
pub mod faults;
#[cfg(feature = "server")]
pub mod ingest;
#[cfg(feature = "server")]
pub mod jobs;
#[cfg(feature = "server")]
pub mod kafka;
#[cfg(feature = "server")]
pub mod load;
#[cfg(feature = "server")]
pub mod postgres;
#[cfg(feature = "server")]
pub mod processes;
#[cfg(feature = "server")]
pub mod publishers;
#[cfg(feature = "server")]
pub mod recover;
#[cfg(feature = "server")]
pub mod redis;
#[cfg(feature = "server")]
pub mod registry;
#[cfg(feature = "server")]
pub mod retry;
#[cfg(feature = "server")]
pub mod shutdown;
#[cfg(feature = "server")]
pub mod steward;
#[cfg(feature = "server")]
pub mod streams;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod top;
#[cfg(feature = "server")]
pub mod topics;
#[cfg(feature = "server")]
pub mod validate;
