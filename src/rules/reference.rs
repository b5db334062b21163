//! A `reference` rule and the set that it looks up → what asks a record whether its key is in the set.
//!
//! - A key is made of the cells as they stand in the file, like `pattern` and `enum`: `007` is not `7`.
//! - A key of several fields is their cells in the order of the set's columns, with U+001F between them.
//! - A record with a missing value, or one that its type cannot read, in any field of the key is not asked, as a
//!   foreign key of SQL asks nothing of a row with a NULL (`MATCH SIMPLE`).

mod file;
mod key_set;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RuleId, Value};
use crate::feed::{Feed, Membership, Reference, Rule, RuleKind};

pub use file::{SetFaults, SetFile, SetHash, SortedKeys};
pub use key_set::{KeySet, KeySetBuilder, KeySetFault, LONGEST_KEY};

/// Stands between the cells of a key: U+001F, the unit separator of ASCII.
pub const SEPARATOR: u8 = 0x1f;

/// One version of a reference set, in memory.
#[derive(Debug)]
pub struct ReferenceSet {
    /// The names of the columns that make a key, in its order.
    pub columns: Vec<String>,
    pub keys: KeySet,
}

/// The sets that a feed's rules look up, by name.
pub type Sets = BTreeMap<String, Arc<ReferenceSet>>;

/// Why a feed's rules cannot be judged with these sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    #[error("rule {rule} looks up the reference set {set}, which is not there")]
    NoSet { rule: String, set: String },
    #[error("{0}")]
    OtherColumns(Box<OtherColumns>),
}

/// A rule whose fields are not the columns of its set's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} looks up {fields} in the reference set {set}, whose key is {columns}; {hint}")]
pub struct OtherColumns {
    pub rule: String,
    pub set: String,
    /// In people's words, as the rest: `branch_code with country`, `the column code`.
    pub fields: String,
    pub columns: String,
    pub hint: String,
}

/// The names of the sets that a feed's rules look up, each once, in order.
pub fn sets_of(feed: &Feed) -> Vec<&str> {
    let mut names: Vec<&str> = feed.rules.iter().map(|rule| reference(rule).set.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The columns of a set that the feed's rules name; empty where none of them does.
pub fn columns_of<'f>(feed: &'f Feed, set: &str) -> &'f [String] {
    let of_set = feed.rules.iter().map(reference).filter(|reference| reference.set.as_str() == set);
    of_set.map(|reference| reference.columns.as_slice()).find(|columns| !columns.is_empty()).unwrap_or_default()
}

fn reference(rule: &Rule) -> &Reference {
    match &rule.kind {
        RuleKind::Reference(reference) => reference,
    }
}

/// Whether every rule of the feed fits the columns of its set. `columns` answers those of a set by its name, `None`
/// where there is no such set.
pub fn check_columns<'s>(feed: &Feed, columns: impl Fn(&str) -> Option<&'s [String]>) -> Result<(), PlanFault> {
    for rule in &feed.rules {
        let set = reference(rule).set.as_str();
        let columns = columns(set).ok_or_else(|| no_set(rule))?;
        arrange(feed, rule, columns)?;
    }
    Ok(())
}

/// As [`check_columns`], of the rules that look one set up.
pub fn check_set(feed: &Feed, set: &str, columns: &[String]) -> Result<(), PlanFault> {
    let mut of_set = feed.rules.iter().filter(|rule| reference(rule).set.as_str() == set);
    of_set.try_for_each(|rule| arrange(feed, rule, columns).map(drop))
}

fn no_set(rule: &Rule) -> PlanFault {
    PlanFault::NoSet { rule: rule.name.clone(), set: reference(rule).set.to_string() }
}

/// The rule's fields in the order of the set's columns.
fn arrange(feed: &Feed, rule: &Rule, columns: &[String]) -> Result<Vec<usize>, PlanFault> {
    let Reference { set, columns: wanted, .. } = reference(rule);
    let in_order = match wanted.as_slice() {
        [] if rule.fields.len() == columns.len() => Some(rule.fields.clone()),
        [] => None,
        wanted if wanted.len() == columns.len() => {
            let field_of = |column: &String| Some(rule.fields[wanted.iter().position(|wanted| wanted == column)?]);
            columns.iter().map(field_of).collect()
        }
        _ => None,
    };
    in_order.ok_or_else(|| {
        let fields: Vec<&str> = rule.fields.iter().map(|field| feed.fields[*field].name.as_str()).collect();
        let asked = if wanted.is_empty() { &fields.join(", ") } else { &wanted.join(", ") };
        PlanFault::OtherColumns(Box::new(OtherColumns {
            rule: rule.name.clone(),
            set: set.to_string(),
            fields: if wanted.is_empty() {
                fields.join(" with ")
            } else {
                format!("the columns {}", wanted.join(", "))
            },
            columns: match columns {
                [column] => format!("the column {column}"),
                columns => format!("the columns {}", columns.join(", ")),
            },
            hint: format!("the set would be loaded for it with `--columns {}`", asked.replace(", ", ",")),
        }))
    })
}

/// One rule, compiled.
pub(super) struct ReferenceRule {
    id: RuleId,
    set: Arc<ReferenceSet>,
    /// In the order of the set's columns.
    fields: Vec<usize>,
    membership: Membership,
}

impl ReferenceRule {
    pub(super) fn compile(feed: &Feed, rule: &Rule, id: RuleId, sets: &Sets) -> Result<Self, PlanFault> {
        let reference = reference(rule);
        let set = sets.get(reference.set.as_str()).ok_or_else(|| no_set(rule))?;
        let fields = arrange(feed, rule, &set.columns)?;
        Ok(Self { id, set: Arc::clone(set), fields, membership: reference.membership })
    }

    /// Adds the rule to `broken` where the record breaks it. `cell` gives the cell of a field; `key` is empty memory.
    #[inline]
    pub(super) fn judge<'c>(
        &self,
        cell: impl Fn(usize) -> &'c [u8],
        values: &[Value<'_>],
        key: &mut Vec<u8>,
        broken: &mut Vec<RuleId>,
    ) {
        if self.fields.iter().any(|field| values[*field] == Value::Missing) {
            return;
        }
        let known = match self.fields.as_slice() {
            [field] => self.set.keys.contains(cell(*field)),
            fields => {
                key.clear();
                for (number, field) in fields.iter().enumerate() {
                    if number > 0 {
                        key.push(SEPARATOR);
                    }
                    key.extend_from_slice(cell(*field));
                }
                self.set.keys.contains(key)
            }
        };
        if known != (self.membership == Membership::In) {
            broken.push(self.id);
        }
    }
}

/// What is said of a record that breaks the rule, where the rule has no message of its own.
pub(super) fn message(feed: &Feed, rule: &Rule) -> String {
    let Reference { set, membership, .. } = reference(rule);
    let names: Vec<&str> = rule.fields.iter().map(|field| feed.fields[*field].name.as_str()).collect();
    let said = match membership {
        Membership::In => format!("is not in the reference set {set}"),
        Membership::NotIn => format!("is in the reference set {set}"),
    };
    match names.as_slice() {
        [_] => said,
        names => format!("as {} {said}", names.join(", ")),
    }
}
