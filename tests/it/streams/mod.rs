//! Record topics: every message exactly once a row or a reject, whatever is killed, restarted, moved or made anew.

mod asked;
mod avro;
mod bad_input;
pub mod bench;
mod killers;
mod loaded;
mod moved;
mod struck;
mod windows;
