//! Turns an Avro datum into the cells of a record, by the schema that it was written with.
//!
//! | part | turns | into |
//! |---|---|---|
//! | `schema_ref` | a message's value | the schema that it names, and the datum |
//! | `canonical` | a schema | its fingerprint |
//! | `derived` | a feed | the Avro schema that its fields are: the reader's |
//! | `compile` | the writer's schema and a feed | a [`Reading`], or why the one cannot be read as the other |
//! | `read` | a datum and a [`Reading`] | cells |
//! | `datum` | bytes | Avro's primitives, nothing allocated |
//! | `meaning` | two schemas of one fingerprint | whether they are read alike |
//! | `skip` | a schema | how to pass over what no field asks for |
//!
//! # What is read as what
//!
//! Avro's own rules ("Schema Resolution", 1.12) with the derived schema as the reader's, and beyond them only what loses
//! nothing:
//!
//! - A field is found by its name, else by an alias that the *writer's* schema gives one of its own fields: a writer that
//!   renames and says so is read on. Names of records do not matter.
//! - Texts (`string`, an enum's symbol) are read as the field's type reads a text. `bytes` are text where a string is wanted.
//! - `int` and `long` are integers and decimals; a decimal is read exactly from any precision and scale.
//! - A `float` or a `double` is neither: what it lost is lost.
//! - `timestamp-millis`, `-micros` and `-nanos` are timestamps (what is finer than a microsecond is dropped, as of texts);
//!   the `local-` ones where the field has a `timezone`. A number without its logical type is no date and no timestamp.
//! - `null` is no value, whatever branch it came by: a field that is `required` says so by its own rule.

mod canonical;
mod cell;
mod compile;
mod datum;
mod derived;
mod meaning;
mod read;
mod schema_ref;
mod skip;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use cell::unscaled;
pub use cell::{Cell, Texts};
pub use compile::Unresolvable;
pub use datum::Undecodable;
pub use derived::{NoSchema, schema_of};
pub use meaning::are_read_alike;
pub use read::Reading;
pub use schema_ref::{NoSchemaRef, SchemaRef, fingerprint, schema_ref};

/// What is known of each schema that a batch's messages name.
pub type Readings = BTreeMap<SchemaRef, Known>;

#[derive(Debug, Clone)]
pub enum Known {
    Reading(Arc<Reading>),
    /// It is known, and cannot be read as the feed.
    Unresolvable(Arc<Unresolvable>),
    /// The schema registry has no Avro schema of that id: why, for people, after `is of schema id 7`.
    Refused(Arc<str>),
    /// Nobody knows it.
    Unknown,
}
