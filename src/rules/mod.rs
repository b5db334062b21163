//! Compiles a feed into a [`Plan`], and judges chunks with it.
//!
//! The order of rules changes no verdict: a record's reject carries every rule that it broke.
//!
//! What is judged, cell by cell:
//! - A record that its layout cannot read (`record.fieldCount`, `record.unclosedQuote`, `record.tooLong`) is a reject
//!   for that reason alone: nobody knows which cell is which field.
//! - A cell that is one of the layout's missing values breaks `required` where the field has it, and nothing else.
//! - A cell that its type cannot read breaks `type` (a text: `encoding`), and no constraint is asked of it.
//! - Any other cell is asked every constraint of its field. `pattern`, `enum` and the lengths look at the cell as it
//!   stands in the file, bounds at the value.
//!
//! - Then the record is asked the feed's own rules (`rules:`), each named by its name. A `reference` rule asks nothing
//!   where a field of its key has no value.
//!
//! A field's severity goes for `required` and its constraints. `type`, `encoding` and `nul` are errors whatever it
//! says: there is no value to load. A missing value whose `required` only warns is loaded as NULL.

mod calendar;
mod constraint;
mod field;
mod format;
mod judge;
mod message;
mod number;
mod pattern;
mod plan;
mod reference;
mod text_set;
mod value;
mod verdict;
mod zone;

pub use format::{Format, FormatError, Offset, TimeOfDay};
pub use pattern::{Pattern, PatternError};
pub use plan::{Plan, RuleId, RuleInfo, Scratch};
pub use reference::{
    KeySet, KeySetBuilder, KeySetFault, LONGEST_KEY, OtherColumns, PlanFault, ReferenceSet, SEPARATOR, SetFaults,
    SetFile, SetHash, Sets, SortedKeys, check_columns, check_set, columns_of, sets_of,
};
pub use value::Value;
pub use verdict::{Breach, Reject, RuleTally, Verdict};
pub use zone::Zone;
