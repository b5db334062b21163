//! Bad files, through the built program and real servers: each ends as it should, nothing of it is lost, and a check of
//! the same file says the same.

mod absent;
mod bench;
mod bytes;
mod changing;
mod damaged;
mod duplicates;
mod equities;
mod header;
mod keys;
mod quotes;
mod shape;
