//! Turns [`Node`]s into values as they are written: right in shape, not yet checked for sense.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::fault::{Findings, Place};
use super::node::{Entry, Node, Quoting, Value};
use super::words;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Written<T> {
    pub at: Place,
    pub value: T,
}

/// The keys of a map as they are written, known and unknown.
#[derive(Debug)]
pub(super) struct Keys {
    /// Where the map begins.
    pub at: Place,
    pub words: Vec<(String, Place)>,
}

impl Keys {
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        self.words.iter().find(|(word, _)| word == key).map(|(_, at)| *at)
    }

    /// Reports `key` where it is not written at all. (Written and wrong is reported already.)
    pub(super) fn require(&self, key: &str, example: &str, findings: &mut Findings) {
        if self.place_of(key).is_none() {
            findings.add(self.at, format!("`{key}` is missing; expected for example `{example}`"));
        }
    }

    /// Reports every key that is not among `known`; those in `later` as not supported yet.
    pub(super) fn refuse_others(&self, what: &str, known: &[&str], later: &[&str], findings: &mut Findings) {
        for (word, at) in &self.words {
            if !known.contains(&word.as_str()) {
                findings.add(*at, unknown_key(word, what, known, later));
            }
        }
    }
}

pub(super) fn unknown_key(word: &str, what: &str, known: &[&str], later: &[&str]) -> String {
    if later.contains(&word) {
        return format!("`{word}` is not supported yet");
    }
    if word == "<<" {
        return "merge keys (`<<`) are not part of the language; write the options out".to_owned();
    }
    let hint = match words::nearest(word, later.iter().copied()) {
        // A word misspelt from a later one should not be sent to a stranger that happens to look like it.
        Some(near) if words::nearest(word, known.iter().copied()).is_none() => {
            format!("; `{near}` is, but is not supported yet")
        }
        _ => words::hint(word, known),
    };
    format!("`{}` is not an option of {what}{hint}", super::node::shortened(word))
}

/// What can be read from a node. `None`: not of this shape, and the fault is among the findings.
pub(super) trait Decode: Sized {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self>;
}

pub(super) fn mismatch<T>(node: &Node, expected: &str, findings: &mut Findings) -> Option<T> {
    if !matches!(node.value, Value::Refused) {
        findings.add(node.at, format!("found {}; expected {expected}", node.value.describe()));
    }
    None
}

/// The entries of a map.
pub(super) fn entries<'n>(node: &'n Node, expected: &str, findings: &mut Findings) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => mismatch(node, expected, findings),
    }
}

impl<T: Decode> Decode for Written<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        T::decode(node, findings).map(|value| Self { at: node.at, value })
    }
}

impl<T: Decode> Decode for Vec<T> {
    /// An item of another shape is reported and left out.
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| T::decode(item, findings)).collect()),
            _ => mismatch(node, "a list, as in `[a, b]`", findings),
        }
    }
}

impl Decode for String {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if !node.value.is_null() => Some(text.clone()),
            _ => mismatch(node, "text", findings),
        }
    }
}

impl Decode for bool {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, quoting: Quoting::Plain } if text == "true" => Some(true),
            Value::Scalar { text, quoting: Quoting::Plain } if text == "false" => Some(false),
            _ => mismatch(node, "`true` or `false`", findings),
        }
    }
}

impl Decode for u64 {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let digits = match &node.value {
            Value::Scalar { text, .. } if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        // Postgres and JSON readers hold no more than 63 bits.
        match digits.filter(|count| *count <= i64::MAX as u64) {
            Some(count) => Some(count),
            None => mismatch(node, "a whole number, 0 or more, in digits alone", findings),
        }
    }
}

/// In a JSON Schema a value looks like itself, wherever it stands.
impl<T: JsonSchema> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// One word of a closed set.
pub(super) trait Word: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
    /// Words of the language whose time has not come.
    const LATER: &'static [&'static str];

    fn decode_word(node: &Node, findings: &mut Findings) -> Option<Self> {
        let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        let Value::Scalar { text, .. } = &node.value else {
            return mismatch(node, &format!("one of {}", words::listed(&words)), findings);
        };
        if let Some((_, value)) = Self::WORDS.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        if Self::LATER.contains(&text.as_str()) {
            findings.add(node.at, format!("`{text}` is not supported yet; expected one of {}", words::listed(&words)));
            return None;
        }
        let near = words::nearest(text, words.iter().copied());
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        mismatch(node, &format!("one of {}{meant}", words::listed(&words)), findings)
    }
}
