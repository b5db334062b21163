//! Turns the types of a definition as written into a JSON Schema, with which editors complete and check it.

use serde_json::{Value, json};

use super::check::kinds::TypeName;
use super::document::FeedDocument;

/// The JSON Schema (draft 2020-12) of a feed definition, generated from the types, for editors.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(FeedDocument).to_value();
    schema["title"] = json!("fabric feed definition");
    schema["$defs"]["FieldDocument"]["allOf"] = TypeName::ALL.into_iter().map(options_of).collect();
    schema
}

/// A field of one type takes that type's options alone.
fn options_of(type_name: TypeName) -> Value {
    json!({
        "if": { "properties": { "type": { "pattern": format!("^{}", type_name.word()) } }, "required": ["type"] },
        "then": { "propertyNames": { "enum": type_name.options() } },
    })
}
