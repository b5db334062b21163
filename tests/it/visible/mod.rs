//! What an operator sees of a running process: health, metrics, logs.

pub mod asked;
mod health;
mod logs;
mod metrics;
