//! Validators on a real Kafka and Postgres.

mod dead_letters;
mod member;
