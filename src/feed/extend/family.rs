//! A definition and all templates that it extends, read, in the order in which they are merged.

use std::collections::BTreeMap;

use super::{TemplateText, Templates, merge, write};
use crate::feed::decode::{Decode as _, Written};
use crate::feed::fault::{Findings, Place};
use crate::feed::node::{self, Node, Value, shortened};
use crate::feed::words;

/// What a template says of itself alone.
const OF_TEMPLATE: [&str; 3] = ["template", "extends", "description"];

/// Templates before those that extend them, then the definition itself.
pub(super) struct Family<'t> {
    own: Node,
    templates: Vec<Member<'t>>,
    /// By source, from 1: in the order in which they were read, whole or not.
    sources: Vec<(&'t str, &'t TemplateText)>,
}

struct Member<'t> {
    name: &'t str,
    version: i32,
    node: Node,
}

impl<'t> Family<'t> {
    /// Reads what `own` extends. `named`: where it is a template itself, its name, which nothing in its family may
    /// extend again.
    pub(super) fn gather(own: Node, named: Option<&str>, all: &'t Templates, findings: &mut Findings) -> Self {
        let mut gathering = Gathering { all, members: Vec::new(), sources: Vec::new(), path: Vec::new(), findings };
        gathering.path.extend(named.map(str::to_owned));
        gathering.parents_of(&own);
        Self { own, templates: gathering.members, sources: gathering.sources }
    }

    /// How faults name the templates.
    pub(super) fn source_names(&self) -> impl Iterator<Item = &'t str> {
        self.sources.iter().map(|(_, template)| template.source_name.as_str())
    }

    /// How people name them: `card-layout v3`.
    pub(super) fn labels(&self) -> Vec<String> {
        self.sources.iter().map(|(name, template)| write::named(name, template.version)).collect()
    }

    /// In the order of their merging.
    pub(super) fn templates(&self) -> impl Iterator<Item = (&'t str, i32)> {
        self.templates.iter().map(|member| (member.name, member.version))
    }

    pub(super) fn pins(&self) -> BTreeMap<String, i32> {
        self.templates().map(|(name, version)| (name.to_owned(), version)).collect()
    }

    /// One tree of them all; what cannot be merged is among the findings.
    pub(super) fn merge(self, findings: &mut Findings) -> Node {
        let mut merged: Option<Node> = None;
        for mut member in self.templates {
            without(&mut member.node, &OF_TEMPLATE);
            merged = Some(match merged {
                None => member.node,
                Some(base) => merge::over(base, member.node, findings),
            });
        }
        let mut own = self.own;
        without(&mut own, &["extends"]);
        match merged {
            None => own,
            Some(base) => merge::over(base, own, findings),
        }
    }
}

pub(super) fn without(node: &mut Node, keys: &[&str]) {
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|entry| !keys.contains(&entry.key.as_str()));
    }
}

struct Gathering<'t, 'f> {
    all: &'t Templates,
    members: Vec<Member<'t>>,
    sources: Vec<(&'t str, &'t TemplateText)>,
    /// From the definition to the template that is looked at.
    path: Vec<String>,
    findings: &'f mut Findings,
}

impl Gathering<'_, '_> {
    fn parents_of(&mut self, node: &Node) {
        let Some(entry) = node.get("extends") else { return };
        let names: Option<Vec<Written<String>>> =
            self.findings.within("extends", |findings| Vec::decode(&entry.node, findings));
        let names = names.unwrap_or_default();
        for (index, Written { at, value: name }) in names.iter().enumerate() {
            if names.iter().take(index).any(|earlier| earlier.value == *name) {
                self.findings.add(*at, format!("extends: `{}` stands here a second time", shortened(name)));
                continue;
            }
            self.visit(name, *at);
        }
    }

    /// Adds a template, after those that it extends. It is named at `at`.
    fn visit(&mut self, name: &str, at: Place) {
        if let Some(begins) = self.path.iter().position(|above| above == name) {
            let circle = [&self.path[begins..], &[name.to_owned()]].concat().join(" → ");
            self.findings.add(at, format!("extends: templates go in a circle: {circle}"));
            return;
        }
        if self.members.iter().any(|member| member.name == name) {
            return;
        }
        let all = self.all;
        let Some((name, template)) = all.get_key_value(name) else {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            let hint = if known.is_empty() {
                "; none is there: `fabric templates apply FILE`, or for a check --templates DIR".to_owned()
            } else {
                words::hint(name, &known)
            };
            self.findings.add(at, format!("extends: there is no template `{}`{hint}", shortened(name)));
            return;
        };
        self.sources.push((name, template));
        let Some(node) = node::read(&template.text, self.sources.len(), self.findings) else { return };
        self.path.push(name.clone());
        self.parents_of(&node);
        self.path.pop();
        self.members.push(Member { name, version: template.version, node });
    }
}
