//! The JSON Schemas say what the parser takes.

use serde_json::Value;

use crate::feed::document::{
    BatchDocument, FeedDocument, FieldDocument, LayoutDocument, ReferenceDocument, RuleDocument, StreamDocument,
    TargetDocument, ThresholdDocument,
};
use crate::feed::{Faults, Templates, check_template, json_schema, parse, template_json_schema};

#[test]
fn the_schemas_in_docs_are_current() {
    for (file, schema) in [("feed.schema.json", json_schema()), ("template.schema.json", template_json_schema())] {
        let path = format!("{}/docs/{file}", env!("CARGO_MANIFEST_DIR"));
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("FABRIC_BLESS").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == current, "run the tests once with FABRIC_BLESS=1 to write {path} anew");
    }
}

fn definition(schema: &Value, name: Option<&str>) -> (Vec<String>, Vec<String>) {
    // What is required of a feed stands in its place, the rest under its name.
    let map = match name {
        None => schema,
        Some("LayoutDocument") => &schema["properties"]["layout"],
        Some(name) => &schema["$defs"][name],
    };
    assert_eq!(map["additionalProperties"], false, "{name:?}");
    let mut keys: Vec<String> = map["properties"].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    // Of a feed that extends no template.
    let alone = &schema["else"];
    let of_alone = match name {
        None => &alone["required"],
        Some("LayoutDocument") => &alone["properties"]["layout"]["required"],
        Some("FieldDocument") => &alone["properties"]["fields"]["items"]["required"],
        Some("RuleDocument") => &alone["properties"]["rules"]["items"]["required"],
        Some(_) => &Value::Null,
    };
    let words = [&map["required"], of_alone].into_iter().filter_map(Value::as_array).flatten();
    let mut required: Vec<String> = words.map(|key| key.as_str().unwrap().to_owned()).collect();
    required.sort();
    required.dedup();
    (keys, required)
}

#[test]
fn the_schemas_have_the_keys_that_the_parser_takes() {
    let mut of_template: Vec<&str> = FeedDocument::KEYS.to_vec();
    of_template.iter_mut().filter(|key| **key == "feed").for_each(|key| *key = "template");
    has_the_keys(&json_schema(), FeedDocument::KEYS);
    has_the_keys(&template_json_schema(), &of_template);
}

fn has_the_keys(schema: &Value, whole: &[&str]) {
    let maps: [(Option<&str>, &[&str]); 9] = [
        (None, whole),
        (Some("LayoutDocument"), LayoutDocument::KEYS),
        (Some("FieldDocument"), FieldDocument::KEYS),
        (Some("RuleDocument"), RuleDocument::KEYS),
        (Some("ReferenceDocument"), ReferenceDocument::KEYS),
        (Some("ThresholdDocument"), ThresholdDocument::KEYS),
        (Some("TargetDocument"), TargetDocument::KEYS),
        (Some("StreamDocument"), StreamDocument::KEYS),
        (Some("BatchDocument"), BatchDocument::KEYS),
    ];
    for (name, keys) in maps {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        assert_eq!(definition(schema, name).0, keys);
    }
}

#[test]
fn the_schemas_require_what_the_parser_requires() {
    for (schema, faults) in [(json_schema(), of_feed as fn(&str) -> Faults), (template_json_schema(), of_template)] {
        requires_alike(&schema, faults);
    }
}

fn of_feed(text: &str) -> Faults {
    parse("f", text).unwrap_err()
}

fn of_template(text: &str) -> Faults {
    // Without a name nothing else is said of it.
    let text = if text == "{}" { text.to_owned() } else { format!("template: x\n{text}") };
    match check_template("t", &text, &Templates::new()) {
        Err(faults) => faults,
        Ok(_) => Faults { faults: Vec::new() },
    }
}

/// Of maps that hold nothing, the parser misses what the schema requires.
fn requires_alike(schema: &Value, faults: impl Fn(&str) -> Faults) {
    let maps = [
        (None, "{}"),
        (Some("LayoutDocument"), "layout: {}"),
        (Some("FieldDocument"), "fields: [{}]"),
        (Some("RuleDocument"), "rules: [{}]"),
        (Some("ReferenceDocument"), "rules: [{name: a, fields: [x], reference: {}}]"),
        (Some("ThresholdDocument"), "thresholds: [{}]"),
        (Some("TargetDocument"), "target: {}"),
        (Some("StreamDocument"), "layout: {format: delimited}\nstream: {}"),
        (Some("BatchDocument"), "stream: {topic: t, value: json, batch: {}}"),
    ];
    let missing = |text: &str| -> Vec<String> {
        let faults = faults(text);
        let mut keys: Vec<String> = faults
            .faults
            .iter()
            .filter(|fault| fault.message.contains("is missing"))
            .map(|fault| fault.message.split('`').nth(1).unwrap().to_owned())
            .collect();
        keys.sort();
        keys
    };
    let of_a_feed = missing("{}");
    for (name, text) in maps {
        let mut own = missing(text);
        // What a nested map's text leaves out of the feed itself is none of that map's.
        for key in of_a_feed.iter().filter(|_| name.is_some()) {
            if let Some(place) = own.iter().position(|own| own == key) {
                own.remove(place);
            }
        }
        let mut required = definition(schema, name).1;
        required.sort();
        assert_eq!(own, required, "{name:?}");
    }
}
