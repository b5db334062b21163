//! Checks a template alone: whether some feed could extend it.
//!
//! A feed is thought up around it that gives all that the template leaves open; what is still wrong is the template's.

use std::collections::BTreeSet;

use super::Templates;
use super::family::{Family, without};
use super::merge;
use crate::feed::check;
use crate::feed::check::kinds::TypeName;
use crate::feed::decode::Decode as _;
use crate::feed::document::FeedDocument;
use crate::feed::fault::{Faults, Findings, Place, SourceIndex};
use crate::feed::model::FeedName;
use crate::feed::node::{self, Entry, Node, Quoting, Value, shortened};

/// Of what is thought up.
const THOUGHT_UP: SourceIndex = usize::MAX;
const AT: Place = Place::start(THOUGHT_UP);

/// A type of each kind, for fields that have none in the template: in the order of [`TypeName::ALL`].
const TYPES: [&str; 6] = ["string", "integer", "decimal(38,18)", "boolean", "date", "timestamp"];

/// Checks a template and answers its name. `templates`: those that it may extend.
///
/// # Errors
///
/// Everything for which no feed could extend it.
pub fn check_template(source_name: &str, text: &str, templates: &Templates) -> Result<String, Faults> {
    let mut findings = Findings::default();
    let Some(own) = node::read(text, 0, &mut findings) else {
        return findings.conclude(&[source_name], None);
    };
    let name = name(&own, &mut findings);
    let mut parts = own.clone();
    without(&mut parts, &["template", "extends"]);
    FeedDocument::decode(&parts, &mut findings);
    let family = Family::gather(own, name.as_deref().or(Some("")), templates, &mut findings);
    let sources: Vec<&str> = std::iter::once(source_name).chain(family.source_names()).collect();
    if findings.is_empty() {
        let mut merged = family.merge(&mut findings);
        without(&mut merged, &["template"]);
        let mut found = Findings::default();
        check(&completed(merged, &mut found), &mut found);
        findings.take_of(0, found);
    }
    findings.conclude(&sources, name)
}

fn name(own: &Node, findings: &mut Findings) -> Option<String> {
    if let Some(feed) = own.get("feed") {
        let message = "this is a feed, not a template: `fabric feeds apply FILE`";
        findings.add(feed.key_at, message);
        return None;
    }
    let Some(entry) = own.get("template") else {
        findings.add(own.at, "`template` is missing; expected for example `template: card-layout`");
        return None;
    };
    let name = own.text("template").unwrap_or_default();
    if FeedName::new(name).is_none() {
        let message = format!(
            "`{}` cannot be a template's name; expected kebab-case: small letters, digits and `-`, a letter first, at \
             most 63 characters",
            shortened(name)
        );
        findings.add(entry.node.at, message);
        return None;
    }
    Some(name.to_owned())
}

fn check(feed: &Node, findings: &mut Findings) {
    if let Some(written) = FeedDocument::decode(feed, findings) {
        check::feed(&written, findings);
    }
}

/// The feed around a template.
fn completed(mut template: Node, findings: &mut Findings) -> Node {
    let mut named = BTreeSet::new();
    for key in ["primaryKey", "uniqueKeys", "rules"] {
        if let Some(entry) = template.get(key) {
            names_in(&entry.node, key == "rules", &mut named);
        }
    }
    if let Value::Map(entries) = &mut template.value
        && let Some(fields) = entries.iter_mut().find(|entry| entry.key == "fields")
        && let Value::List(items) = &mut fields.node.value
    {
        items.iter_mut().for_each(complete_field);
    }
    // One at least, and those that keys and rules speak of.
    named.insert("thought_up".to_owned());
    let fields = named.iter().map(|name| field(name, "string")).collect();
    let base = map([
        ("feed", text("thought-up")),
        ("layout", map([("format", text("delimited"))])),
        ("fields", Node { at: AT, value: Value::List(fields) }),
    ]);
    merge::over(base, template, findings)
}

/// The fields that a key, or the `fields` of rules, speak of.
fn names_in(node: &Node, of_rules: bool, names: &mut BTreeSet<String>) {
    match &node.value {
        Value::List(items) if of_rules => {
            let fields = items.iter().filter_map(|rule| rule.get("fields"));
            fields.for_each(|entry| names_in(&entry.node, false, names));
        }
        Value::List(items) => items.iter().for_each(|item| names_in(item, false, names)),
        // A name that no field can have is told as one that is not there.
        Value::Scalar { text, .. }
            if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
        {
            names.insert(text.clone());
        }
        Value::Scalar { .. } | Value::Map(_) | Value::Refused => {}
    }
}

/// Gives a field without a type the first type with which it is right.
fn complete_field(item: &mut Node) {
    if item.get("type").is_some() || !matches!(item.value, Value::Map(_)) {
        return;
    }
    let typed = |kind: &str| {
        let mut typed = item.clone();
        if let Value::Map(entries) = &mut typed.value {
            let required = entries.iter().all(|entry| entry.key != "required");
            entries.push(entry("type", text(kind)));
            entries.extend(required.then(|| entry("required", text("true"))));
        }
        typed
    };
    let is_right = |field: &Node| {
        let mut findings = Findings::default();
        let fields = Node { at: AT, value: Value::List(vec![field.clone()]) };
        let layout = map([("format", text("delimited"))]);
        check(&map([("feed", text("thought-up")), ("layout", layout), ("fields", fields)]), &mut findings);
        findings.is_empty()
    };
    let all = TYPES.iter().zip(TypeName::ALL);
    // Where none is right, what is said should speak of one that has these options.
    let has_its_options = |kind: TypeName| match &item.value {
        Value::Map(entries) => entries.iter().all(|entry| kind.options().contains(&entry.key.as_str())),
        _ => false,
    };
    let fitting = all.clone().map(|(kind, _)| typed(kind)).find(is_right);
    let near = || all.clone().find(|(_, kind)| has_its_options(*kind)).map_or("string", |(kind, _)| kind);
    *item = fitting.unwrap_or_else(|| typed(near()));
}

fn field(name: &str, kind: &str) -> Node {
    map([("name", text(name)), ("type", text(kind)), ("required", text("true"))])
}

fn text(text: &str) -> Node {
    Node { at: AT, value: Value::Scalar { text: text.to_owned(), quoting: Quoting::Plain } }
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), key_at: AT, node }
}

fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    Node { at: AT, value: Value::Map(entries.map(|(key, node)| entry(key, node)).into()) }
}
