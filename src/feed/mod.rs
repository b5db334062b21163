//! Turns a feed definition (YAML, as people write it) into a checked [`Feed`].
//!
//! Everything past this module works on [`Feed`]; nothing past it sees YAML. A definition that is wrong is
//! refused with every fault at once ([`Faults`]), each with its line, its column and the nearest word that exists.

mod model;

pub use model::*;

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

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{}:{}:{}  {}", self.source_name, fault.line, fault.column, fault.message)?;
        }
        Ok(())
    }
}

/// Parses and checks one feed definition. `source_name` stands in the faults.
pub fn parse(source_name: &str, text: &str) -> Result<Feed, Faults> {
    let _ = (source_name, text);
    todo!()
}

/// The JSON Schema (draft 2020-12) of a feed definition, generated from the types, for editors.
pub fn json_schema() -> serde_json::Value {
    todo!()
}
