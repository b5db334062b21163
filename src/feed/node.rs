//! Turns YAML text into a tree of [`Node`]s that know where they stand.
//!
//! Scalars stay source text, so that no number passes through a float and no word becomes a boolean by itself.
//! Anchors, aliases, tags and several documents in one file are refused: a definition reads from top to bottom,
//! and its size in memory is bounded by its size on disk.

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::fault::{Findings, Place, SourceIndex};

/// Bytes of a definition at most. The largest real ones (some thousand fields) have a tenth of this.
const MAX_BYTES: usize = 1 << 20;
/// Lists and maps inside each other at most; the language needs 5.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar {
        text: String,
        quoting: Quoting,
    },
    List(Vec<Node>),
    /// Keys are unique.
    Map(Vec<Entry>),
    /// Something that the language refuses; its fault is reported already.
    Refused,
}

/// Whether `null` and `true` are words or texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    Plain,
    Quoted,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Place,
    pub node: Node,
}

impl Node {
    /// What stands under `key`, where this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text under `key`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl Value {
    /// What stands here, for "found …".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Self::Scalar { text, .. } => format!("`{}`", shortened(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Refused => "something refused".to_owned(),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar { text, quoting: Quoting::Plain }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// The first 60 characters on one line: enough to recognise, short enough to read.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// The one document in `text`. `None` where it cannot be read at all; the reason is among the findings.
pub(super) fn read(text: &str, source: SourceIndex, findings: &mut Findings) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("the definition has {} bytes; expected at most {MAX_BYTES}", text.len());
        findings.add(Place::start(source), message);
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut reader = Reader { parser: Parser::new_from_str_with_options(text, options), source, findings };
    match reader.document() {
        Ok(node) => node,
        Err(error) => {
            findings.add(place(source, error.marker()), format!("this is not YAML: {}", error.info()));
            None
        }
    }
}

fn place(source: SourceIndex, marker: &Marker) -> Place {
    Place { source, line: marker.line(), column: marker.col() + 1 }
}

struct Reader<'t, 'f> {
    parser: Parser<'t, StrInput<'t>>,
    source: SourceIndex,
    findings: &'f mut Findings,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "a second document begins here; expected one in a file";
                    self.findings.add(place(self.source, &span.start), message);
                    return Ok(root);
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        if root.as_ref().is_none_or(|node| node.value.is_null()) {
            let message = "there is nothing here; expected a feed definition, beginning with `feed:`";
            self.findings.add(Place::start(self.source), message);
            return Ok(None);
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, ScanError> {
        self.parser.next_event().transpose()
    }

    /// The node that `event` begins, read to its end. Recursion is bounded by [`MAX_DEPTH`].
    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, ScanError> {
        let at = place(self.source, &span.start);
        self.refuse_decorations(&event, at);
        let value = match event {
            Event::Scalar(text, style, ..) => {
                let quoting = if style == ScalarStyle::Plain { Quoting::Plain } else { Quoting::Quoted };
                Value::Scalar { text: text.into_owned(), quoting }
            }
            Event::SequenceStart(..) => Value::List(self.list()?),
            Event::MappingStart(..) => Value::Map(self.map()?),
            _ => {
                self.findings.add(at, "aliases (`*name`) are not part of the language; write the value out");
                Value::Refused
            }
        };
        Ok(Node { at, value })
    }

    fn refuse_decorations(&mut self, event: &Event<'_>, at: Place) {
        if event.anchor_id().is_some() && !event.is_alias() {
            self.findings
                .add(at, "anchors (`&name`) are not part of the language; write the value out where it is needed");
        }
        if event.tag().is_some() {
            self.findings.add(at, "tags (`!name`) are not part of the language; leave the tag out");
        }
    }

    fn list(&mut self) -> Result<Vec<Node>, ScanError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, span)?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Vec<Entry>, ScanError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = std::collections::HashMap::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, span)?;
            let Some((event, span)) = self.next()? else { break };
            let node = self.node(event, span)?;
            let Value::Scalar { text, .. } = key.value else {
                self.findings.add(key.at, format!("found {} as a key; expected a word", key.value.describe()));
                continue;
            };
            match lines.insert(text.clone(), key.at.line) {
                None => entries.push(Entry { key: text, key_at: key.at, node }),
                Some(line) => {
                    let message =
                        format!("`{}` stands here a second time; the first is in line {line}", shortened(&text));
                    self.findings.add(key.at, message);
                }
            }
        }
        Ok(entries)
    }
}
