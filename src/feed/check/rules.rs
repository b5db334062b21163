//! Checks the rules that have names of their own.

use std::collections::HashMap;

use super::{keys, names};
use crate::feed::decode::Written;
use crate::feed::document::{FeedDocument, ReferenceDocument, ReferenceWritten, RuleDocument};
use crate::feed::fault::Findings;
use crate::feed::model::{FeedName, Reference, ReferenceName, Rule, RuleKind, Severity};
use crate::feed::node::shortened;

const LATER: &[&str] = &["when", "expression"];

/// More would be a table, and belong into a reference set.
const MAX_RULES: usize = 1_000;

/// Those that are wrong are among the findings, and left out.
pub(super) fn rules(feed: &FeedDocument, findings: &mut Findings) -> Vec<Rule> {
    let Some(Written { at, value: documents }) = &feed.rules else { return Vec::new() };
    if documents.len() > MAX_RULES {
        findings.add(*at, format!("there are {} rules; a feed has at most {MAX_RULES}", documents.len()));
    }
    refuse_repeated(documents, findings);
    documents
        .iter()
        .filter_map(|document| {
            let label = document.name.as_ref().map(|name| format!("rule {}", name.value));
            findings.named(label.as_deref(), |findings| rule(document, feed, findings))
        })
        .collect()
}

fn refuse_repeated(documents: &[RuleDocument], findings: &mut Findings) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for name in documents.iter().filter_map(|document| document.name.as_ref()) {
        if let Some(line) = lines.insert(&name.value, name.at.line) {
            let message = format!("there is a rule `{}` in line {line} already", shortened(&name.value));
            findings.add(name.at, message);
        }
    }
}

fn rule(written: &RuleDocument, feed: &FeedDocument, findings: &mut Findings) -> Option<Rule> {
    written.keys.refuse_others(RuleDocument::WHAT, RuleDocument::KEYS, LATER, findings);
    written.keys.require("name", "name: known-branch", findings);
    // A rule of a later kind is refused above; what this kind lacks needs no second fault.
    if !LATER.iter().any(|key| written.keys.place_of(key).is_some()) {
        written.keys.require("fields", "fields: [branch_code]", findings);
        written.keys.require("reference", "reference: branches", findings);
    }
    let name = written.name.as_ref().and_then(|name| names::kebab("rule", name, FeedName::new, findings));
    let known = feed.fields.as_ref().map(|fields| fields.value.as_slice()).unwrap_or_default();
    let fields = written.fields.as_ref().map(|list| keys::columns(list, known, findings));
    let (set, columns) = written.reference.as_ref().and_then(|reference| set(reference, findings))?;
    let fields = fields?;
    if let Some(columns) = columns.filter(|columns| columns.value.len() != fields.len()) {
        let message =
            format!("found {} columns for {} fields; expected one for each", columns.value.len(), fields.len());
        findings.within("reference.columns", |f| f.add(columns.at, message));
    }
    let columns = columns.map(|columns| columns.value.iter().map(|column| column.value.clone()).collect());
    let membership = written.membership.as_ref().map(|word| word.value).unwrap_or_default();
    Some(Rule {
        name: name?.to_string(),
        fields,
        severity: written.severity.as_ref().map_or(Severity::Error, |severity| severity.value),
        message: written.message.as_ref().map(|message| message.value.clone()),
        kind: RuleKind::Reference(Reference { set, columns: columns.unwrap_or_default(), membership }),
    })
}

type Columns = Written<Vec<Written<String>>>;

/// The set, and its columns where they are written.
fn set<'d>(
    written: &'d Written<ReferenceWritten>,
    findings: &mut Findings,
) -> Option<(ReferenceName, Option<&'d Columns>)> {
    match &written.value {
        ReferenceWritten::Name(name) => {
            let name = Written { at: written.at, value: name.clone() };
            Some((set_name(&name, findings)?, None))
        }
        ReferenceWritten::Full(full) => findings.within("reference", |findings| {
            full.keys.refuse_others(ReferenceDocument::WHAT, ReferenceDocument::KEYS, &[], findings);
            full.keys.require("set", "set: branches", findings);
            if let Some(columns) = &full.columns {
                refuse_columns(columns, findings);
            }
            Some((set_name(full.set.as_ref()?, findings)?, full.columns.as_ref()))
        }),
    }
}

fn set_name(name: &Written<String>, findings: &mut Findings) -> Option<ReferenceName> {
    names::kebab("reference set", name, ReferenceName::new, findings)
}

fn refuse_columns(columns: &Columns, findings: &mut Findings) {
    if columns.value.is_empty() {
        findings.add(columns.at, "there is no column here; expected one for each field, or none written at all");
    }
    for (number, column) in columns.value.iter().enumerate() {
        if columns.value[..number].iter().any(|earlier| earlier.value == column.value) {
            findings.add(column.at, format!("`{}` stands here a second time", shortened(&column.value)));
        }
    }
}
