//! What users edit, over a real Postgres and Kafka.

mod references;
