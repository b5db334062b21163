//! Loading into Postgres.

mod bench;
mod eviction;
mod fenced;
mod migrations;
mod refused;
mod round_trips;
mod target;
