//! Each sentence of "Schema Resolution" (Avro 1.12) as a table, and what fabric reads beyond it.

use apache_avro::Decimal;
use apache_avro::types::Value;
use serde_json::{Value as Json, json};

use super::*;

/// What a field of a feed is of one value of a writer.
fn one(of_feed: &str, of_writer: Json, value: Value) -> Result<String, String> {
    let feed = feed(&[of_feed]);
    let schema = record(&json!([field("x", of_writer)]));
    let fields = resolved(&feed, &schema, of(&[("x", value)])).map_err(|unresolvable| unresolvable.why)?;
    Ok(fields[0].clone())
}

fn logical(kind: &str, logical: &str) -> Json {
    json!({ "type": kind, "logicalType": logical })
}

fn decimal(precision: u8, scale: u8) -> Json {
    json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
}

fn of_digits(unscaled: i128) -> Value {
    Value::Decimal(Decimal::from(unscaled.to_be_bytes()))
}

const STRING: &str = "name: x, type: string";
const INTEGER: &str = "name: x, type: integer";
const DECIMAL: &str = "name: x, type: \"decimal(12,2)\"";
const BOOLEAN: &str = "name: x, type: boolean";
const DATE: &str = "name: x, type: date";
const TIMESTAMP: &str = "name: x, type: timestamp";
const ZONED: &str = "name: x, type: timestamp, format: \"%F %T\", timezone: Europe/Zurich";

#[test]
fn a_value_is_read_as_the_fields_type_where_nothing_is_lost() {
    let fixed =
        json!({ "type": "fixed", "name": "F", "size": 3, "logicalType": "decimal", "precision": 6, "scale": 2 });
    let symbols = json!({ "type": "enum", "name": "E", "symbols": ["USD", "EUR"] });
    let cases = [
        (STRING, json!("string"), Value::String("Zürich".into()), "Zürich"),
        (STRING, json!("bytes"), Value::Bytes("Zürich".into()), "Zürich"),
        (STRING, symbols.clone(), Value::Enum(1, "EUR".into()), "EUR"),
        (INTEGER, json!("int"), Value::Int(i32::MIN), "-2147483648"),
        (INTEGER, json!("long"), Value::Long(i64::MAX), "9223372036854775807"),
        (INTEGER, json!("string"), Value::String("0012".into()), "0012"),
        (INTEGER, logical("long", "timestamp-millis"), Value::TimestampMillis(7), "7"),
        (INTEGER, logical("int", "date"), Value::Date(7), "7"),
        (INTEGER, logical("int", "some-later-one"), Value::Int(7), "7"),
        (DECIMAL, decimal(12, 2), of_digits(-1250), "-12.50"),
        (DECIMAL, decimal(30, 4), of_digits(7), "0.0007"),
        (DECIMAL, fixed, Value::Decimal(Decimal::from([0xff, 0xfb, 0x1e])), "-12.50"),
        (DECIMAL, json!("int"), Value::Int(12), "12"),
        (DECIMAL, json!("long"), Value::Long(-12), "-12"),
        (DECIMAL, json!("string"), Value::String("12.5".into()), "12.5"),
        (BOOLEAN, json!("boolean"), Value::Boolean(true), "true"),
        (BOOLEAN, json!("string"), Value::String("TRUE".into()), "TRUE"),
        (DATE, logical("int", "date"), Value::Date(20_782), "2026-11-25"),
        (DATE, json!("string"), Value::String("2026-11-25".into()), "2026-11-25"),
        (TIMESTAMP, logical("long", "timestamp-millis"), Value::TimestampMillis(-1), "1969-12-31T23:59:59.999Z"),
        (TIMESTAMP, logical("long", "timestamp-micros"), Value::TimestampMicros(1), "1970-01-01T00:00:00.000001Z"),
        (TIMESTAMP, logical("long", "timestamp-nanos"), Value::TimestampNanos(-1), "1969-12-31T23:59:59.999999Z"),
        (ZONED, logical("long", "local-timestamp-millis"), Value::LocalTimestampMillis(0), "1970-01-01T00:00:00"),
        (ZONED, logical("long", "timestamp-millis"), Value::TimestampMillis(0), "1970-01-01T00:00:00Z"),
    ];
    for (of_feed, of_writer, value, expected) in cases {
        let read = one(of_feed, of_writer.clone(), value.clone());
        assert_eq!(read.as_deref(), Ok(expected), "{value:?} of {of_writer} as {of_feed}");
    }
}

#[test]
fn what_would_lose_something_or_means_nothing_is_refused_with_both_sides_named() {
    let fixed = json!({ "type": "fixed", "name": "F", "size": 2 });
    let cases = [
        (
            DECIMAL,
            json!("double"),
            Value::Double(12.5),
            "/x is double there, and decimal, int or long (or a string, for decimal(12,2)) is wanted",
        ),
        (DECIMAL, json!("float"), Value::Float(12.5), "/x is float there"),
        (INTEGER, json!("double"), Value::Double(1.0), "/x is double there"),
        (INTEGER, decimal(4, 0), of_digits(1), "/x is decimal(4,0) there"),
        (INTEGER, json!("boolean"), Value::Boolean(true), "/x is boolean there"),
        (INTEGER, json!("bytes"), Value::Bytes(vec![]), "/x is bytes there"),
        (STRING, json!("long"), Value::Long(1), "/x is long there"),
        (STRING, decimal(4, 0), of_digits(1), "/x is decimal(4,0) there"),
        (STRING, fixed, Value::Fixed(2, vec![1, 2]), "/x is fixed org.example.F there"),
        (DATE, json!("int"), Value::Int(1), "/x is int there"),
        (DATE, logical("long", "timestamp-micros"), Value::TimestampMicros(1), "/x is timestamp-micros there"),
        (TIMESTAMP, json!("long"), Value::Long(1), "/x is long there"),
        (TIMESTAMP, logical("int", "date"), Value::Date(1), "/x is date there"),
        (
            TIMESTAMP,
            logical("long", "local-timestamp-millis"),
            Value::LocalTimestampMillis(0),
            "/x is local-timestamp-millis there",
        ),
        (STRING, json!({ "type": "array", "items": "string" }), Value::Array(vec![]), "/x is an array there"),
        (STRING, json!({ "type": "map", "values": "string" }), Value::Map(Default::default()), "/x is a map there"),
    ];
    for (of_feed, of_writer, value, expected) in cases {
        let refused = one(of_feed, of_writer.clone(), value).unwrap_err();
        assert!(refused.starts_with(expected), "{of_writer} as {of_feed}: {refused}");
    }
}

#[test]
fn a_union_is_read_by_the_branch_that_was_written() {
    let union = json!(["null", "double", "string", "long"]);
    let feed = feed(&[INTEGER]);
    let schema = record(&json!([field("x", union)]));
    let reading = Reading::new(&schema, &feed).unwrap();
    let branch = |branch: u32, value: Value| {
        read(&reading, &written(&schema, of(&[("x", Value::Union(branch, Box::new(value)))])), 1)
    };
    assert_eq!(branch(0, Value::Null).unwrap(), ["-"]);
    assert_eq!(branch(2, Value::String("7".into())).unwrap(), ["7"]);
    assert_eq!(branch(3, Value::Long(7)).unwrap(), ["7"]);
    let refused = branch(1, Value::Double(7.0)).unwrap_err().to_string();
    assert_eq!(refused, "/x is double there, and int or long (or a string, for integer) is wanted (byte 1)");
    // No branch that fits: the whole schema is of no use.
    let none = one(INTEGER, json!(["null", "double"]), Value::Union(0, Box::new(Value::Null))).unwrap_err();
    assert!(none.starts_with("/x is double there"), "{none}");
    assert_eq!(one(INTEGER, json!("null"), Value::Null).unwrap(), "-");
}

#[test]
fn fields_are_found_by_name_in_any_order_and_others_are_passed_over() {
    let feed = feed(&["name: a, type: integer", "name: b, type: string"]);
    let everything = json!([
        field("n", json!("null")),
        field("t", json!("boolean")),
        field("i", json!("int")),
        field("b", json!("string")),
        field("f", json!("float")),
        field("d", json!("double")),
        field("y", json!("bytes")),
        field("x", json!({ "type": "fixed", "name": "X", "size": 3 })),
        field("e", json!({ "type": "enum", "name": "E", "symbols": ["P", "Q"] })),
        field("l", json!({ "type": "array", "items": { "type": "map", "values": ["null", "X"] } })),
        field(
            "r",
            json!({ "type": "record", "name": "List", "fields": [
            { "name": "value", "type": "long" }, { "name": "next", "type": ["null", "List"] },
        ] })
        ),
        field("p", json!("List")),
        field("a", json!("int")),
    ]);
    let schema = record(&everything);
    let list = |value, next| of(&[("value", Value::Long(value)), ("next", next)]);
    let end = || Value::Union(0, Box::new(Value::Null));
    let fixed = Value::Union(1, Box::new(Value::Fixed(3, vec![1, 2, 3])));
    let map = Value::Map([("k".to_owned(), fixed), ("l".to_owned(), end())].into());
    let value = of(&[
        ("n", Value::Null),
        ("t", Value::Boolean(true)),
        ("i", Value::Int(-70_000)),
        ("b", Value::String("here".into())),
        ("f", Value::Float(1.5)),
        ("d", Value::Double(1.5)),
        ("y", Value::Bytes(vec![0; 300])),
        ("x", Value::Fixed(3, vec![1, 2, 3])),
        ("e", Value::Enum(1, "Q".into())),
        ("l", Value::Array(vec![map.clone(), map])),
        ("r", list(1, Value::Union(1, Box::new(list(2, end()))))),
        ("p", list(3, end())),
        ("a", Value::Int(7)),
    ]);
    assert_eq!(resolved(&feed, &schema, value).unwrap(), ["7", "here"]);
}

#[test]
fn a_field_that_the_writer_lacks_is_no_value_or_if_required_a_reason_to_refuse() {
    let schema = record(&json!([field("a", json!("int"))]));
    let value = of(&[("a", Value::Int(7))]);
    let optional = feed(&["name: a, type: integer", "name: b, type: string"]);
    assert_eq!(resolved(&optional, &schema, value.clone()).unwrap(), ["7", "-"]);
    let warned = feed(&["name: a, type: integer", "name: b, type: string, required: true, severity: warn"]);
    assert_eq!(resolved(&warned, &schema, value.clone()).unwrap(), ["7", "-"]);
    let required = feed(&["name: a, type: integer", "name: b, type: string, required: true"]);
    let refused = resolved(&required, &schema, value).unwrap_err().to_string();
    let expected = " (org.example.Payment), which cannot be read as fabric.feeds.card_payments (fingerprint ";
    assert!(refused.starts_with(expected), "{refused}");
    assert!(refused.ends_with("): /b is not there, and the field b is required"), "{refused}");
}

#[test]
fn a_writer_that_renames_a_field_and_says_so_is_read_on() {
    let feed = feed(&["name: a, type: integer", "name: b, type: integer, required: true"]);
    let renamed = |fields: Json, values: &[(&str, Value)]| resolved(&feed, &record(&fields), of(values));
    let seven = ("x", Value::Int(7));
    let fields = json!([{ "name": "x", "type": "int", "aliases": ["old", "b"] }]);
    assert_eq!(renamed(fields, std::slice::from_ref(&seven)).unwrap(), ["-", "7"]);
    // A field that is asked for by its own name is not taken for another.
    let fields = json!([{ "name": "a", "type": "int", "aliases": ["b"] }]);
    assert!(renamed(fields, &[("a", Value::Int(7))]).unwrap_err().why.contains("the field b is required"));
    let fields =
        json!([{ "name": "x", "type": "int", "aliases": ["b"] }, { "name": "y", "type": "int", "aliases": ["b"] }]);
    let ambiguous = renamed(fields, &[seven, ("y", Value::Int(8))]).unwrap_err();
    assert_eq!(ambiguous.why, "/b is an alias of two fields there: x and y");
}

#[test]
fn a_pointer_leads_through_records_maps_and_unions_of_them() {
    let feed =
        feed(&["name: city, pointer: /address/city, type: string", "name: zip, pointer: /address/zip, type: integer"]);
    let of_record = json!({ "type": "record", "name": "Address", "fields": [
        { "name": "zip", "type": "int" }, { "name": "street", "type": "string" }, { "name": "city", "type": ["null", "string"] },
    ] });
    let of_map = json!({ "type": "map", "values": "string" });
    let schema = record(&json!([field("address", json!(["null", of_record, of_map]))]));
    let address = |branch: u32, value: Value| of(&[("address", Value::Union(branch, Box::new(value)))]);
    let city = Value::Union(1, Box::new(Value::String("Bern".into())));
    let whole =
        of(&[("zip", Value::Int(3000)), ("street", Value::String("Gerechtigkeitsgasse".into())), ("city", city)]);
    assert_eq!(resolved(&feed, &schema, address(1, whole)).unwrap(), ["Bern", "3000"]);
    let text = |text: &str| Value::String(text.into());
    let map = Value::Map([("city".to_owned(), text("Thun")), ("canton".to_owned(), text("BE"))].into());
    assert_eq!(resolved(&feed, &schema, address(2, map)).unwrap(), ["Thun", "-"]);
    assert_eq!(resolved(&feed, &schema, address(0, Value::Null)).unwrap(), ["-", "-"]);
    let wrong = record(&json!([field("address", json!("string"))]));
    assert_eq!(Reading::new(&wrong, &feed).unwrap_err().why, "/address is string there, which has no fields");
}

#[test]
fn blocks_of_a_map_may_state_their_bytes_and_the_last_of_two_equal_keys_counts() {
    let feed = feed(&["name: v, pointer: /m/v, type: integer"]);
    let schema = record(&json!([field("m", json!({ "type": "map", "values": ["null", "int"] }))]));
    let reading = Reading::new(&schema, &feed).unwrap();
    // Avro 1.12, "Maps": a negative count is followed by the bytes of its block.
    let stated = [0x01, 0x08, 0x02, b'v', 0x02, 0x0e, 0x00];
    assert_eq!(read(&reading, &stated, 1).unwrap(), ["7"]);
    let twice = [0x02, 0x02, b'v', 0x02, 0x0e, 0x02, 0x02, b'v', 0x00, 0x00];
    assert_eq!(read(&reading, &twice, 1).unwrap(), ["-"]);
}

#[test]
fn what_is_no_schema_or_no_record_is_refused() {
    let feed = feed(&[STRING]);
    let refused = |schema: &str| Reading::new(schema, &feed).unwrap_err();
    assert!(refused("{").why.starts_with("it is no Avro schema: "));
    assert!(
        refused(r#"{"type":"record","name":"R","fields":[{"name":"x","type":"Unknown"}]}"#).why.contains("Unknown")
    );
    assert_eq!(refused(r#""string""#).why, "a record is string there, which has no fields");
}
