//! Validators on a real Kafka and Postgres.

mod blocked;
pub mod dead_letters;
mod ending;
mod forged;
mod gap;
mod held_target;
mod member;
mod protocol;
pub mod publisher;
mod waiting;
