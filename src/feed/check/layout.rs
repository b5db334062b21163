//! Checks how a file's bytes become records.

use std::collections::HashSet;

use crate::feed::decode::Written;
use crate::feed::document::{FeedDocument, LayoutDocument};
use crate::feed::fault::Findings;
use crate::feed::model::{Delimited, Layout};
use crate::feed::node::shortened;

const LATER: &[&str] = &["recordType", "recordLength", "escapeChar", "commentChar"];

pub(super) fn layout(feed: &FeedDocument, findings: &mut Findings) -> Option<Layout> {
    feed.keys.require("layout", "layout: { format: delimited }", findings);
    let layout = feed.layout.as_ref()?;
    findings.within(LayoutDocument::WHAT, |findings| {
        layout.keys.refuse_others(LayoutDocument::WHAT, LayoutDocument::KEYS, LATER, findings);
        layout.keys.require("format", "format: delimited", findings);
        delimited(layout, findings).map(Layout::Delimited)
    })
}

fn delimited(layout: &LayoutDocument, findings: &mut Findings) -> Option<Delimited> {
    let delimiter = match &layout.delimiter {
        None => Some(b','),
        Some(text) => findings.within("delimiter", |f| character(text, "one ASCII character, as in `\"|\"`", f)),
    };
    let quote = match &layout.quote_char {
        None => Some(Some(b'"')),
        Some(text) if text.value == "none" => Some(None),
        Some(text) => findings.within("quoteChar", |f| character(text, "one ASCII character, or `none`", f)).map(Some),
    };
    let (delimiter, quote) = (delimiter?, quote?);
    if quote == Some(delimiter) {
        let at = layout.quote_char.as_ref().or(layout.delimiter.as_ref()).map_or(layout.keys.at, |text| text.at);
        findings.add(at, "`quoteChar` and `delimiter` are the same character; expected two, or `quoteChar: none`");
        return None;
    }
    Some(Delimited {
        delimiter,
        quote,
        header: layout.header.as_ref().is_none_or(|header| header.value),
        missing_values: missing_values(layout.missing_values.as_ref(), findings),
    })
}

fn character(text: &Written<String>, expected: &str, findings: &mut Findings) -> Option<u8> {
    match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Some(*byte),
        [b'\\', b't'] => {
            findings.add(text.at, "found a backslash and a `t`; expected a tab, in double quotes: `\"\\t\"`");
            None
        }
        _ => {
            findings.add(text.at, format!("found `{}`; expected {expected}", shortened(&text.value)));
            None
        }
    }
}

fn missing_values(values: Option<&Written<Vec<Written<String>>>>, findings: &mut Findings) -> Vec<String> {
    let Some(values) = values else { return vec![String::new()] };
    let mut seen = HashSet::new();
    for value in &values.value {
        if !seen.insert(&value.value) {
            let message = format!("missingValues: `{}` stands here a second time", shortened(&value.value));
            findings.add(value.at, message);
        }
    }
    values.value.iter().map(|value| value.value.clone()).collect()
}
