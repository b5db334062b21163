//! Turns a definition as written into a checked [`Feed`], or says everything that is wrong with it.

mod avro_ways;
mod bounds;
mod constraints;
mod enumerations;
mod field;
mod keys;
pub(in crate::feed) mod kinds;
mod layout;
mod names;
mod pointer;
mod rules;
mod stream;
mod target;
mod thresholds;
mod time_format;

pub use constraints::whole_value;
pub use time_format::{TIME_WORDS, TimePart, zone};

use super::decode::Written;
use super::document::{FeedDocument, FieldDocument};
use super::fault::Findings;
use super::model::{Feed, FeedName, Field, Layout};

/// Of the language, but not of this version of it.
const LATER: &[&str] = &[
    "files",
    "controls",
    "records",
    "examples",
    "expectedBy",
    "deadline",
    "priority",
    "publish",
    "history",
    "retention",
    "lineage",
    "sidecar",
    "orderBy",
];

/// A Postgres table has 1,600 columns at most; fabric adds a few of its own.
const MAX_FIELDS: usize = 1_500;

/// `None` exactly where something is among the findings.
pub(super) fn feed(written: &FeedDocument, findings: &mut Findings) -> Option<Feed> {
    if let Some(at) = written.keys.place_of("template") {
        findings.add(at, "this is a template, not a feed: `fabric templates apply FILE`");
    }
    let known = [FeedDocument::KEYS, &["template"]].concat();
    written.keys.refuse_others(FeedDocument::WHAT, &known, LATER, findings);
    written.keys.require("feed", "feed: card-transactions", findings);
    let name = written.feed.as_ref().and_then(|name| names::feed(name, findings));
    let (stream, layout) = stream::source(written, findings);
    let missing = layout.as_ref().map(|layout| layout.missing_values()).unwrap_or_default();
    let fields = fields(written, layout.as_ref(), missing, findings);
    let keys = keys::keys(written, findings);
    let rules = rules::rules(written, findings);
    let thresholds = thresholds::thresholds(written.thresholds.as_ref(), written.stream.as_ref(), findings);
    let target = target::target(written.target.as_ref(), name.as_ref().map(FeedName::as_str), findings);
    Some(Feed {
        name: name?,
        description: written.description.as_ref().map(|text| text.value.clone()),
        owner: written.owner.as_ref().map(|text| text.value.clone()),
        layout: layout?,
        stream,
        fields: fields?,
        primary_key: keys.primary,
        unique_keys: keys.unique,
        approval: written.approval.as_ref().map(|word| word.value),
        rules,
        on_empty: written.on_empty.as_ref().map(|word| word.value).unwrap_or_default(),
        thresholds,
        target: target?,
    })
}

fn fields(
    written: &FeedDocument,
    layout: Option<&Layout>,
    missing: &[String],
    findings: &mut Findings,
) -> Option<Vec<Field>> {
    written.keys.require("fields", "fields: [ { name: amount, type: \"decimal(12,2)\" } ]", findings);
    let Written { at, value: documents } = written.fields.as_ref()?;
    if documents.is_empty() {
        findings.add(*at, "there is no field here; expected at least one");
    }
    if documents.len() > MAX_FIELDS {
        findings.add(*at, format!("there are {} fields; Postgres takes at most {MAX_FIELDS}", documents.len()));
    }
    names::refuse_repeated(documents, findings);
    if layout.is_some_and(|layout| layout.delimited().is_some()) {
        field::refuse_pointers(documents, findings);
    }
    let fields = documents.iter().map(|document| named(document, missing, findings)).collect::<Vec<_>>();
    let fields = fields.into_iter().collect::<Option<Vec<_>>>()?;
    if matches!(layout, Some(Layout::Avro(_))) {
        avro_ways::refuse_impossible(documents, &fields, findings);
    }
    Some(fields)
}

fn named(document: &FieldDocument, missing: &[String], findings: &mut Findings) -> Option<Field> {
    let name = document.name.as_ref().map(|name| name.value.as_str());
    findings.named(name, |findings| field::field(document, missing, findings))
}
