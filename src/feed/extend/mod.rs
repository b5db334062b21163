//! Turns a definition and the templates that it extends into one definition, whose every line knows where it came from.
//!
//! The rules: templates come in the order of `extends:`, each after those that it extends itself, each once. Later wins
//! over earlier, the feed wins over all. Maps merge by key; `fields` and `rules` merge by `name`, where what is new goes
//! to the end; every other list is replaced whole. A map and a text in the same place clash. A template's `description`
//! speaks of the template and goes no further.

mod family;
mod merge;
mod partial;
mod write;

use std::collections::BTreeMap;

use super::decode::Decode as _;
use super::document::FeedDocument;
use super::fault::{Faults, Findings};
use super::model::Feed;
use super::{check, node};

use family::Family;
pub use partial::check_template;

/// A template as it is stored, or as a file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateText {
    /// How faults name it: `template card-layout v3`, or its file.
    pub source_name: String,
    /// As pins name it; 0 of a file.
    pub version: i32,
    pub text: String,
}

/// Templates by name.
pub type Templates = BTreeMap<String, TemplateText>;

/// A checked feed, with its templates merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub feed: Feed,
    /// The versions of all templates that went into it.
    pub pins: BTreeMap<String, i32>,
    /// The whole as one definition, which means the same as `feed`; `None` where the definition extends nothing.
    pub text: Option<String>,
}

/// Parses and checks a definition together with the templates that it extends.
///
/// # Errors
///
/// Everything that is wrong with it or with its templates, each in the words of the document in which it stands.
pub fn resolve(source_name: &str, text: &str, templates: &Templates) -> Result<Resolved, Faults> {
    let mut findings = Findings::default();
    let Some(own) = node::read(text, 0, &mut findings) else {
        return findings.conclude(&[source_name], None);
    };
    let family = Family::gather(own, None, templates, &mut findings);
    let sources: Vec<&str> = std::iter::once(source_name).chain(family.source_names()).collect();
    // What an unknown template would have given is not missing.
    if !findings.is_empty() {
        return findings.conclude(&sources, None);
    }
    let pins = family.pins();
    let order: Vec<String> = family.templates().map(|(name, version)| write::named(name, version)).collect();
    let labels = family.labels();
    let merged = family.merge(&mut findings);
    let feed = FeedDocument::decode(&merged, &mut findings).and_then(|written| check::feed(&written, &mut findings));
    let feed = findings.conclude(&sources, feed)?;
    let text = (!pins.is_empty()).then(|| write::definition(&merged, text, &order, &labels));
    Ok(Resolved { feed, pins, text })
}

/// The names that a definition writes under `extends:`; none where it cannot be read.
pub fn extended_by(text: &str) -> Vec<String> {
    let mut findings = Findings::default();
    let Some(node) = node::read(text, 0, &mut findings) else { return Vec::new() };
    node.get("extends").and_then(|entry| Vec::decode(&entry.node, &mut findings)).unwrap_or_default()
}

/// The name that a template gives itself; `None` where the text is no template, or cannot be read.
pub fn template_name(text: &str) -> Option<String> {
    node::read(text, 0, &mut Findings::default())?.text("template").map(str::to_owned)
}
