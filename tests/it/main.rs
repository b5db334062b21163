//! Integration tests against the real Kafka, Postgres and Redis of `dev/stack`.

mod database;
mod kafka;
mod load;
mod topics_of_own;
mod validate;
