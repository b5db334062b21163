//! Turns a schema into its Parsing Canonical Form, and that into the fingerprint by which messages name it (Avro 1.12, "Transforming
//! into Parsing Canonical Form" and "Schema Fingerprints").
//!
//! apache_avro has both, too, but keeps the precision and scale of a decimal and writes `{"type":"int"}` for a date's `"int"`, so that
//! its fingerprints are not those of other languages.

use serde_json::Value;

/// The fingerprint of no bytes, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut value = at as u64;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (EMPTY & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

/// CRC-64-AVRO.
pub(super) fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

/// Of a schema that is Avro.
pub(super) fn canonical(schema: &Value) -> String {
    let mut text = String::new();
    write(schema, "", &mut text);
    text
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// `namespace`: of what the schema stands in.
fn write(schema: &Value, namespace: &str, text: &mut String) {
    match schema {
        Value::String(name) if PRIMITIVES.contains(&name.as_str()) => quote(name, text),
        Value::String(name) => quote(&full(name, namespace), text),
        Value::Array(branches) => list(branches, text, |branch, text| write(branch, namespace, text)),
        Value::Object(members) => match members.get("type") {
            Some(Value::String(kind)) => complex(kind, schema, namespace, text),
            Some(inner) => write(inner, namespace, text),
            None => {}
        },
        _ => {}
    }
}

fn complex(kind: &str, schema: &Value, namespace: &str, text: &mut String) {
    match kind {
        "array" | "map" => {
            let of = if kind == "array" { "items" } else { "values" };
            text.push_str(&format!("{{\"type\":\"{kind}\",\"{of}\":"));
            write(&schema[of], namespace, text);
            text.push('}');
        }
        "record" | "error" | "enum" | "fixed" => {
            let name = schema["name"].as_str().unwrap_or_default();
            let own = schema["namespace"].as_str().unwrap_or(namespace);
            let name = full(name, own);
            let within = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
            text.push_str("{\"name\":");
            quote(&name, text);
            text.push_str(&format!(",\"type\":\"{kind}\""));
            members(kind, schema, within, text);
            text.push('}');
        }
        other => write(&Value::String(other.to_owned()), namespace, text),
    }
}

fn members(kind: &str, schema: &Value, namespace: &str, text: &mut String) {
    let items = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    match kind {
        "enum" => {
            text.push_str(",\"symbols\":");
            list(items("symbols"), text, |symbol, text| quote(symbol.as_str().unwrap_or_default(), text));
        }
        "fixed" => text.push_str(&format!(",\"size\":{}", schema["size"])),
        _ => {
            text.push_str(",\"fields\":");
            list(items("fields"), text, |field, text| {
                text.push_str("{\"name\":");
                quote(field["name"].as_str().unwrap_or_default(), text);
                text.push_str(",\"type\":");
                write(&field["type"], namespace, text);
                text.push('}');
            });
        }
    }
}

fn full(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// Names have nothing that asks for an escape.
fn quote(name: &str, text: &mut String) {
    text.push('"');
    text.push_str(name);
    text.push('"');
}

fn list(items: &[Value], text: &mut String, write: impl Fn(&Value, &mut String)) {
    text.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(']');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `share/test/data/schema-tests.txt` of Apache Avro.
    #[test]
    fn fingerprints_are_those_of_the_specification() {
        for (schema, canonically, expected) in [
            (json!("null"), r#""null""#, 7_195_948_357_588_979_594_i64),
            (json!({ "type": "boolean" }), r#""boolean""#, -6_970_731_678_124_411_036),
            (json!("int"), r#""int""#, 8_247_732_601_305_521_295),
            (json!({ "type": "int", "logicalType": "date" }), r#""int""#, 8_247_732_601_305_521_295),
        ] {
            let text = canonical(&schema);
            assert_eq!((text.as_str(), crc(text.as_bytes()).cast_signed()), (canonically, expected), "{schema}");
        }
    }

    #[test]
    fn names_are_whole_and_only_what_is_parsed_by_stays() {
        let schema = json!({
            "type": "record", "namespace": "x.y", "name": "a", "doc": "for people", "aliases": ["b"], "fields": [
                { "name": "d", "default": null, "type": ["null",
                    { "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2 }] },
                { "name": "f", "type": { "type": "fixed", "name": "z.F", "size": 16 } },
                { "name": "e", "type": { "symbols": ["P", "Q"], "type": "enum", "name": "E", "default": "P" } },
                { "name": "m", "type": { "type": "map", "values": { "type": "array", "items": "E" } } },
                { "name": "r", "type": ["null", "a"] },
            ]
        });
        let expected = r#"{"name":"x.y.a","type":"record","fields":[{"name":"d","type":["null","bytes"]},{"name":"f","type":{"name":"z.F","type":"fixed","size":16}},{"name":"e","type":{"name":"x.y.E","type":"enum","symbols":["P","Q"]}},{"name":"m","type":{"type":"map","values":{"type":"array","items":"x.y.E"}}},{"name":"r","type":["null","x.y.a"]}]}"#;
        assert_eq!(canonical(&schema), expected);
    }
}
