//! Turns a feed definition (YAML, as people write it) into a checked [`Feed`].
//!
//! Everything past this module works on [`Feed`]; nothing past it sees YAML. A definition that is wrong is
//! refused with every fault at once ([`Faults`]), each with its line, its column and the nearest word that exists.
//!
//! The way of a definition: text → `node` (a tree that knows its places) → `document` (as written, right in shape)
//! → `check` → [`Feed`]. Where it extends templates, `extend` lays their trees under its own before `document`.

mod check;
mod decode;
mod document;
mod extend;
mod fault;
mod model;
mod node;
mod schema;
mod words;

#[cfg(test)]
mod tests;

pub use check::{TIME_WORDS, TimePart, whole_value, zone};
pub use extend::{Resolved, TemplateText, Templates, check_template, extended_by, resolve, template_name};
pub use fault::{Fault, Faults};
pub use model::*;
pub use schema::{json_schema, template_json_schema};

/// Parses and checks one feed definition that extends no templates. `source_name` stands in the faults.
///
/// # Errors
///
/// Everything that is wrong with the definition, in the order of its lines; never an empty list.
pub fn parse(source_name: &str, text: &str) -> Result<Feed, Faults> {
    resolve(source_name, text, &Templates::new()).map(|resolved| resolved.feed)
}
