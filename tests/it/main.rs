//! Integration tests against the real Kafka, Postgres and Redis of `dev/stack`.

mod accounting;
mod bad_input;
mod cli;
mod config;
mod contracts;
mod database;
mod doctor;
mod faults;
mod installation;
mod jobs;
mod kafka;
mod load;
mod outages;
mod producers;
#[path = "../proxy/mod.rs"]
mod proxy;
mod registry;
mod resuming;
mod roles;
mod steward;
mod streams;
mod targets;
mod tidy;
mod top;
mod topics_of_own;
mod validate;
mod visible;
