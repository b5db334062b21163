//! Integration tests against the real Kafka, Postgres and Redis of `dev/stack`.

mod database;
mod load;
