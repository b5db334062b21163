//! Checks the keys of a feed: fields that together name a record.

use std::collections::HashSet;

use crate::feed::decode::Written;
use crate::feed::document::{FeedDocument, FieldDocument};
use crate::feed::fault::{Findings, Place};
use crate::feed::model::Severity;
use crate::feed::node::shortened;
use crate::feed::words;

/// Columns of an index in Postgres (`INDEX_MAX_KEYS`).
const MAX_COLUMNS: usize = 32;

/// Indices into the feed's fields.
#[derive(Default)]
pub(super) struct Keys {
    pub primary: Vec<usize>,
    pub unique: Vec<Vec<usize>>,
}

pub(super) fn keys(feed: &FeedDocument, findings: &mut Findings) -> Keys {
    let fields = feed.fields.as_ref().map(|fields| fields.value.as_slice()).unwrap_or_default();
    let mut seen = HashSet::new();
    let mut keys = Keys::default();
    if let Some(key) = &feed.primary_key {
        keys.primary = findings.within("primaryKey", |f| {
            let columns = columns(key, fields, f);
            refuse_optional(key, fields, f);
            refuse_same(key.at, &columns, &mut seen, f);
            columns
        });
    }
    for key in feed.unique_keys.iter().flat_map(|keys| &keys.value) {
        findings.within("uniqueKeys", |f| {
            let columns = columns(key, fields, f);
            refuse_same(key.at, &columns, &mut seen, f);
            keys.unique.push(columns);
        });
    }
    keys
}

fn name(field: &FieldDocument) -> Option<&str> {
    field.name.as_ref().map(|name| name.value.as_str())
}

/// Indices of the fields that a list names.
pub(super) fn columns(
    key: &Written<Vec<Written<String>>>,
    fields: &[FieldDocument],
    findings: &mut Findings,
) -> Vec<usize> {
    if key.value.is_empty() || key.value.len() > MAX_COLUMNS {
        let message = format!("found {} fields; expected 1 to {MAX_COLUMNS}", key.value.len());
        findings.add(key.at, message);
    }
    let mut columns = Vec::new();
    for word in &key.value {
        match column(word, fields, findings) {
            Some(index) if columns.contains(&index) => {
                findings.add(word.at, format!("`{}` stands here a second time", word.value));
            }
            index => columns.extend(index),
        }
    }
    columns
}

/// The index of the field that a word names.
pub(super) fn column(word: &Written<String>, fields: &[FieldDocument], findings: &mut Findings) -> Option<usize> {
    let index = fields.iter().position(|field| name(field) == Some(word.value.as_str()));
    if index.is_none() {
        findings.add(word.at, unknown(&word.value, fields));
    }
    index
}

fn unknown(word: &str, fields: &[FieldDocument]) -> String {
    let names: Vec<&str> = fields.iter().filter_map(name).collect();
    format!("there is no field `{}`{}", shortened(word), words::hint(word, &names))
}

/// Postgres holds no primary key without a value, so a record without one has to be a reject before it gets there.
fn refuse_optional(key: &Written<Vec<Written<String>>>, fields: &[FieldDocument], findings: &mut Findings) {
    for word in &key.value {
        let Some(field) = fields.iter().find(|field| name(field) == Some(word.value.as_str())) else { continue };
        if !field.required.as_ref().is_some_and(|required| required.value) {
            let message =
                format!("`{}` is not `required: true`; a primary key needs a value in every record", word.value);
            findings.add(word.at, message);
        } else if field.severity.as_ref().is_some_and(|severity| severity.value == Severity::Warn) {
            let message = format!(
                "`{}` has `severity: warn`, so a record without it would pass; a primary key needs `severity: error`",
                word.value
            );
            findings.add(word.at, message);
        }
    }
}

fn refuse_same(at: Place, columns: &[usize], seen: &mut HashSet<Vec<usize>>, findings: &mut Findings) {
    let mut sorted = columns.to_vec();
    sorted.sort_unstable();
    if !sorted.is_empty() && !seen.insert(sorted) {
        findings.add(at, "these fields are a key already; expected each key once");
    }
}
