//! A merged tree → YAML that means the same, each line with the place that it came from.

use sha2::{Digest as _, Sha256};

use crate::feed::document::FeedDocument;
use crate::feed::fault::Place;
use crate::feed::node::{Entry, Node, Quoting, Value};

/// Longer lists and maps go over several lines.
const WIDEST: usize = 90;
/// Origins begin no further to the right than this, but for lines that are longer.
const ORIGINS_AT: usize = 72;

/// `card-layout v3`; of a file, which has no version, its name alone.
pub(super) fn named(template: &str, version: i32) -> String {
    if version == 0 { template.to_owned() } else { format!("{template} v{version}") }
}

struct Line {
    text: String,
    from: Place,
}

/// `document`: as its author wrote it. `order`: the templates as they were merged; `labels`: by source, from 1. Two documents, or one with two
/// sets of templates, never give the same text: the first lines name both.
pub(super) fn definition(merged: &Node, document: &str, order: &[String], labels: &[String]) -> String {
    let mut lines = Vec::new();
    if let Value::Map(entries) = &merged.value {
        let rank = |entry: &Entry| FeedDocument::KEYS.iter().position(|key| *key == entry.key);
        let mut entries: Vec<&Entry> = entries.iter().collect();
        entries.sort_by_key(|entry| rank(entry));
        for entry in entries {
            self::entry(entry, String::new(), &mut lines);
        }
    }
    let mut names = vec!["feed"];
    names.extend(labels.iter().map(String::as_str));
    let digest: String = Sha256::digest(document).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!(
        "# with its templates merged in: {}\n# sha256 of the feed as it was applied: {digest}\n",
        order.join(", ")
    );
    text.push_str(&with_origins(&lines, &names));
    text
}

fn with_origins(lines: &[Line], names: &[&str]) -> String {
    let width = |line: &Line| line.text.chars().count();
    let column = lines.iter().map(width).filter(|width| *width <= ORIGINS_AT).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let pad = " ".repeat(column.saturating_sub(width(line)));
        let name = names.get(line.from.source).copied().unwrap_or_default();
        text.push_str(&format!("{}{pad}  # {name}, line {}\n", line.text, line.from.line));
    }
    text
}

/// `key: value`, over as many lines as it needs; the first begins with `lead`, the others with as many spaces.
fn entry(entry: &Entry, lead: String, lines: &mut Vec<Line>) {
    let indent = " ".repeat(lead.len());
    let key = scalar(&entry.key, Quoting::Plain);
    if let Some(value) = on_one_line(&entry.node) {
        lines.push(Line { text: format!("{lead}{key}: {value}"), from: entry.key_at });
        return;
    }
    lines.push(Line { text: format!("{lead}{key}:"), from: entry.key_at });
    match &entry.node.value {
        Value::Map(entries) => entries.iter().for_each(|inner| self::entry(inner, format!("{indent}  "), lines)),
        Value::List(items) => items.iter().for_each(|item| self::item(item, &indent, lines)),
        Value::Scalar { .. } | Value::Refused => {}
    }
}

fn item(item: &Node, indent: &str, lines: &mut Vec<Line>) {
    match (&item.value, on_one_line(item)) {
        (Value::Map(entries), None) => {
            for (index, inner) in entries.iter().enumerate() {
                let lead = if index == 0 { "  - " } else { "    " };
                entry(inner, format!("{indent}{lead}"), lines);
            }
        }
        (_, line) => {
            let text = line.unwrap_or_else(|| flow(item));
            lines.push(Line { text: format!("{indent}  - {text}"), from: item.at });
        }
    }
}

/// A value whose parts all come from one line, and fit on one: `{ name: amount, type: integer }`.
fn on_one_line(node: &Node) -> Option<String> {
    let text = match &node.value {
        Value::Scalar { .. } => return Some(flow(node)),
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))) => return None,
        Value::List(_) => flow(node),
        Value::Map(entries) => {
            let alike = |at: Place| (at.source, at.line) == (node.at.source, node.at.line);
            if !entries.iter().all(|entry| alike(entry.key_at) && alike(entry.node.at)) {
                return None;
            }
            flow(node)
        }
        Value::Refused => return None,
    };
    (text.chars().count() <= WIDEST).then_some(text)
}

fn flow(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, quoting } => scalar(text, *quoting),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let pair = |entry: &Entry| format!("{}: {}", scalar(&entry.key, Quoting::Plain), flow(&entry.node));
            format!("{{ {} }}", entries.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        // Never in a definition that passed its checks.
        Value::Refused => "null".to_owned(),
    }
}

/// Words and numbers stay plain, so that `true` stays a word; all else is quoted, which changes no text.
fn scalar(text: &str, quoting: Quoting) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%'));
    match quoting {
        Quoting::Plain if plain => text.to_owned(),
        Quoting::Plain | Quoting::Quoted => quoted(text),
    }
}

/// In YAML's double quotes (<https://yaml.org/spec/1.2.2/#57-escaped-characters>).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Line ends of other standards, byte order marks and what no printer prints.
            '\u{2028}' | '\u{2029}' | '\u{feff}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
