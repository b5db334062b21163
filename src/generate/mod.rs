//! A seed into a deterministic file with known bad records.
//!
//! Every byte of a record is a function of the seed and the record's number alone, in integer arithmetic: the same
//! file comes out on every machine, and which records are bad, and how, can be told without writing them.

mod bad;
mod card_transactions;
mod digits;
mod merchants;
mod splitmix;

pub use bad::Bad;
pub use card_transactions::{CardTransactions, Expected, Made};
