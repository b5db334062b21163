//! Integration tests against the real Kafka, Postgres and Redis of `dev/stack`.

mod cli;
mod database;
mod jobs;
mod kafka;
mod load;
mod steward;
mod tidy;
mod topics_of_own;
mod validate;
