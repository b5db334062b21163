//! Loading into Postgres.

mod migrations;
