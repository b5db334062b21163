//! Turns what happens in a process into log lines, metrics, and answers about its health.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `logs` | events | lines on standard error: text, or JSON |
//! | `panics` | a panic | one such line, with the chunk that was worked on |
//! | `catalog` | — | the one table of every metric |
//! | `metric` | a figure and its labels | a series, from a bounded set of them |
//! | `gauges` | what can be looked at | gauges, read when someone asks for the metrics |
//! | `recorder` | series | the text that Prometheus reads |
//! | `health` | signs of life of a process's parts | whether it is alive, whether it is ready, and why not |
//! | `http` | these | `/health/live`, `/health/ready`, `/metrics` |
//!
//! Nothing here is called per record: figures are added once per chunk or rarer.

pub mod catalog;
mod gauges;
mod health;
mod http;
mod logs;
mod metric;
mod page;
mod panics;
mod process;
mod recorder;
mod statement;

pub use gauges::{Set, sample};
pub use health::{Health, Part, Pulse, Role};
pub use http::{Endpoint, EndpointError};
pub use logs::{TelemetryError, init};
pub use metric::{Kind, Label, Metric, Values};
pub use page::page;
pub use panics::{WorkedOn, without_values, working_on};
pub use recorder::Metrics;
pub use statement::{Statement, timed};
