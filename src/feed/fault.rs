//! Gathers what is wrong with a definition, each with its place.

use std::fmt;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found, what was expected, the nearest word.
    pub message: String,
}

/// All faults of one definition, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// The file's name as the user gave it.
    pub source_name: String,
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{}:{}:{}  {}", self.source_name, fault.line, fault.column, fault.message)?;
        }
        Ok(())
    }
}

/// Where a key or a value begins; both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// The faults found so far, and what is being looked at.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Vec<Fault>,
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
        self.faults.push(Fault { line: at.line, column: at.column, message: text });
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

    /// `checked` where nothing was found, else every fault in the order of the text.
    pub(super) fn conclude<T>(mut self, source_name: &str, checked: Option<T>) -> Result<T, Faults> {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults.dedup();
        match checked {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Faults { source_name: source_name.to_owned(), faults: self.faults }),
        }
    }
}
