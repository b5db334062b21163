//! Gathers what is wrong with a definition, each with its place.

use std::fmt;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name as the user gave it, or the template that the fault stands in.
    pub source_name: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found, what was expected, the nearest word.
    pub message: String,
}

/// All faults of one definition, in the order of their lines; those of templates that it extends come after its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{}:{}:{}  {}", fault.source_name, fault.line, fault.column, fault.message)?;
        }
        Ok(())
    }
}

/// A document among those that are merged; 0 is the one that extends the others.
pub(super) type SourceIndex = usize;

/// Where a key or a value begins; both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub source: SourceIndex,
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub(super) const fn start(source: SourceIndex) -> Self {
        Self { source, line: 1, column: 1 }
    }
}

/// The faults found so far, and what is being looked at.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Vec<(Place, String)>,
    /// The words before the message: `amount`, `layout.header`.
    about: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, at: Place, message: impl AsRef<str>) {
        let mut text = self.about.join(".");
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(message.as_ref());
        self.faults.push((at, text));
    }

    /// Faults that `look` finds begin with `key`, after what they begin with already.
    pub(super) fn within<T>(&mut self, key: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        self.about.push(key.to_owned());
        let seen = look(self);
        self.about.pop();
        seen
    }

    /// Faults that `look` finds begin with `name` alone, where there is one.
    pub(super) fn named<T>(&mut self, name: Option<&str>, look: impl FnOnce(&mut Self) -> T) -> T {
        let Some(name) = name else { return look(self) };
        let outer = std::mem::replace(&mut self.about, vec![super::node::shortened(name)]);
        let seen = look(self);
        self.about = outer;
        seen
    }

    /// Whether anything was found.
    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Takes over what was found in one document, and drops the rest.
    pub(super) fn take_of(&mut self, source: SourceIndex, other: Self) {
        self.faults.extend(other.faults.into_iter().filter(|(at, _)| at.source == source));
    }

    /// `checked` where nothing was found, else every fault in the order of the text. `sources` are the documents' names.
    pub(super) fn conclude<T>(mut self, sources: &[&str], checked: Option<T>) -> Result<T, Faults> {
        self.faults.sort();
        self.faults.dedup();
        let fault = |(at, message): (Place, String)| Fault {
            source_name: sources.get(at.source).copied().unwrap_or_default().to_owned(),
            line: at.line,
            column: at.column,
            message,
        };
        match checked {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Faults { faults: self.faults.into_iter().map(fault).collect() }),
        }
    }
}
