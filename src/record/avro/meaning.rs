//! Whether two schemas of one fingerprint are read alike: a fingerprint says nothing of logical types and aliases.

use serde_json::Value;

/// What stands in a schema for people and for other readers.
const UNREAD: [&str; 4] = ["doc", "default", "order", "precision"];

/// Both are JSON, and one canonical form.
pub fn are_read_alike(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str(text).map(|schema: Value| what_is_read(schema));
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

fn what_is_read(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let read = members.into_iter().filter(|(name, _)| !UNREAD.contains(&name.as_str()));
            let read: serde_json::Map<String, Value> = read.map(|(name, value)| (name, what_is_read(value))).collect();
            // A type alone may be written either way.
            match read.get("type") {
                Some(kind) if read.len() == 1 => kind.clone(),
                _ => Value::Object(read),
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(what_is_read).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::are_read_alike;

    #[test]
    fn docs_do_not_matter_and_logical_types_do() {
        let schema = |scale: &str, more: &str| {
            format!(
                r#"{{"type":"record","name":"R",{more}"fields":[{{"name":"x","type":{{"type":"bytes",
                "logicalType":"decimal","precision":9,"scale":{scale}}}}},{{"name":"y","type":"int"}}]}}"#
            )
        };
        let plain = schema("2", "");
        assert!(are_read_alike(&plain, &schema("2", "\"doc\":\"for people\",")));
        assert!(are_read_alike(&plain, &plain.replace("\"int\"", "{\"type\": \"int\"}").replace(":9", ":12")));
        assert!(!are_read_alike(&plain, &schema("4", "")));
        assert!(!are_read_alike(&plain, &plain.replace("\"y\",", "\"y\",\"aliases\":[\"z\"],")));
        assert!(!are_read_alike(&plain, "no JSON"));
    }
}
