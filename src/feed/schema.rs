//! Turns the types of a definition as written into a JSON Schema, with which editors complete and check it.

use serde_json::{Value, json};

use super::check::kinds::TypeName;
use super::document::FeedDocument;

/// The JSON Schema (draft 2020-12) of a feed definition, generated from the types, for editors.
pub fn json_schema() -> Value {
    let (mut schema, left) = open_schema();
    schema["title"] = json!("fabric feed definition");
    schema["required"] = json!(["feed"]);
    // A stream may have no layout.
    schema["if"] = json!({ "anyOf": [{ "required": ["extends"] }, { "required": ["stream"] }] });
    schema["else"] = json!({
        "required": ["layout", "fields"],
        "properties": {
            "layout": { "required": left.layout },
            "fields": { "items": { "required": left.field } },
            "rules": { "items": { "required": left.rule } },
        },
    });
    schema
}

/// As [`json_schema`], of a template: nothing is needed but its name, and the whole of a rule that it begins.
pub fn template_json_schema() -> Value {
    let (mut schema, left) = open_schema();
    schema["title"] = json!("fabric template");
    schema["description"] = json!("A template: parts of a definition, which feeds take over with `extends`.");
    if let Some(properties) = schema["properties"].as_object_mut()
        && let Some(mut name) = properties.remove("feed")
    {
        name["description"] = json!("The template's name, in kebab-case: `card-layout`.");
        properties.insert("template".to_owned(), name);
    }
    schema["properties"]["description"]["description"] = json!("What the template is for; goes no further.");
    schema["required"] = json!(["template"]);
    schema["else"] = json!({ "properties": { "rules": { "items": { "required": left.rule } } } });
    schema
}

/// What a definition that extends nothing has to say itself.
struct Left {
    layout: Value,
    field: Value,
    rule: Value,
}

/// The schema of a definition that leaves to templates what it would have to say itself; one that extends none goes by
/// what its `else` will say.
fn open_schema() -> (Value, Left) {
    let mut schema = schemars::schema_for!(FeedDocument).to_value();
    refuse_null(&mut schema);
    let left = Left {
        layout: taken(&mut schema["properties"]["layout"]),
        field: taken(&mut schema["$defs"]["FieldDocument"]),
        rule: taken(&mut schema["$defs"]["RuleDocument"]),
    };
    schema["if"] = json!({ "required": ["extends"] });
    for named in ["FieldDocument", "RuleDocument"] {
        schema["$defs"][named]["required"] = json!(["name"]);
    }
    schema["$defs"]["FieldDocument"]["allOf"] = TypeName::ALL.into_iter().map(options_of).collect();
    (schema, left)
}

/// What a map requires, which it requires no more.
fn taken(map: &mut Value) -> Value {
    map.as_object_mut().and_then(|map| map.remove("required")).unwrap_or_else(|| json!([]))
}

/// An option that is not needed is left out; it is never `null`, which schemars offers for every `Option`.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
            }
            for key in ["type", "enum"] {
                let Some(Value::Array(words)) = map.get_mut(key) else { continue };
                words.retain(|word| !word.is_null() && word != "null");
                if let ("type", [word]) = (key, words.as_slice()) {
                    let word = word.clone();
                    map.insert(key.to_owned(), word);
                }
            }
            map.values_mut().for_each(refuse_null);
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}

/// A field of one type takes that type's options alone.
fn options_of(type_name: TypeName) -> Value {
    json!({
        "if": { "properties": { "type": { "pattern": format!("^{}", type_name.word()) } }, "required": ["type"] },
        "then": { "propertyNames": { "enum": type_name.options() } },
    })
}
