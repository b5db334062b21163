//! Integration tests against the real Kafka, Postgres and Redis of `dev/stack`.

mod accounting;
mod bad_input;
mod database;
mod faults;
mod installation;
mod kafka;
mod load;
mod topics_of_own;
mod validate;
