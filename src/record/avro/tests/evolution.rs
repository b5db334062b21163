//! Random writers and random changes of them, held against the reference implementation's own resolution.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::schema_of;
use super::*;

/// What the feed has; the writer's record has some of them, changed, and others beside.
const FIELDS: [&str; 6] = [
    "name: a, type: integer",
    "name: b, type: string",
    "name: c, type: boolean",
    "name: d, type: date",
    "name: e, type: timestamp",
    "name: f, type: \"decimal(12,2)\"",
];

/// A type of the writer, and a value of it.
#[derive(Debug, Clone)]
struct Typed {
    kind: Json,
    value: Value,
}

fn typed(kind: Json, value: Value) -> Typed {
    Typed { kind, value }
}

/// What the field of this number may be in a writer's schema, by Avro's own rules.
fn of_field(number: usize) -> BoxedStrategy<Typed> {
    let logical = |kind: &str, logical: &str| json!({ "type": kind, "logicalType": logical });
    match number {
        0 => prop_oneof![
            any::<i32>().prop_map(|value| typed(json!("int"), Value::Int(value))),
            any::<i64>().prop_map(|value| typed(json!("long"), Value::Long(value))),
        ]
        .boxed(),
        1 => prop_oneof![
            ".{0,12}".prop_map(|text| typed(json!("string"), Value::String(text))),
            ".{0,12}".prop_map(|text| typed(json!("bytes"), Value::Bytes(text.into_bytes()))),
        ]
        .boxed(),
        2 => any::<bool>().prop_map(|value| typed(json!("boolean"), Value::Boolean(value))).boxed(),
        3 => (-700_000..2_900_000).prop_map(move |days| typed(logical("int", "date"), Value::Date(days))).boxed(),
        4 => (-60_000_000_000_000_000..250_000_000_000_000_000_i64)
            .prop_map(move |micros| typed(logical("long", "timestamp-micros"), Value::TimestampMicros(micros)))
            .boxed(),
        _ => (-999_999_999_999..=999_999_999_999_i64)
            .prop_map(|digits| {
                let kind = json!({ "type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2 });
                typed(kind, Value::Decimal(Decimal::from(digits.to_be_bytes())))
            })
            .boxed(),
    }
}

/// What no field asks for.
fn other(depth: u32) -> BoxedStrategy<Typed> {
    let leaf = prop_oneof![
        Just(typed(json!("null"), Value::Null)),
        any::<f64>().prop_map(|value| typed(json!("double"), Value::Double(value))),
        any::<f32>().prop_map(|value| typed(json!("float"), Value::Float(value))),
        any::<i64>().prop_map(|value| typed(json!("long"), Value::Long(value))),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| typed(json!("bytes"), Value::Bytes(bytes))),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let within = other(depth - 1);
    prop_oneof![
        leaf,
        (within.clone(), 0_usize..4).prop_map(|(item, count)| {
            typed(json!({ "type": "array", "items": item.kind }), Value::Array(vec![item.value; count]))
        }),
        (within, 0_usize..4).prop_map(|(item, count)| {
            let entries = (0..count).map(|key| (key.to_string(), item.value.clone())).collect();
            typed(json!({ "type": "map", "values": item.kind }), Value::Map(entries))
        }),
    ]
    .boxed()
}

/// As it is, or in a union with null, or null.
fn maybe(inner: Typed, how: u8) -> Typed {
    let is_union = inner.kind.is_array() || inner.kind == json!("null");
    match how {
        1 if !is_union => typed(json!(["null", inner.kind]), Value::Union(1, Box::new(inner.value))),
        2 if !is_union => typed(json!([inner.kind, "null"]), Value::Union(0, Box::new(inner.value))),
        3 if !is_union => typed(json!(["null", inner.kind]), Value::Union(0, Box::new(Value::Null))),
        _ => inner,
    }
}

/// A writer's fields in any order: some of the feed's, and others.
fn writer() -> impl Strategy<Value = Vec<(String, Typed)>> {
    let of_feed = (0..FIELDS.len()).map(|number| {
        let name = char::from(b'a' + u8::try_from(number).unwrap()).to_string();
        proptest::option::weighted(0.8, (Just(name), of_field(number), 0_u8..4))
    });
    let others = proptest::collection::vec((other(2), 0_u8..4), 0..4);
    (of_feed.collect::<Vec<_>>(), others)
        .prop_map(|(of_feed, others)| {
            let of_feed = of_feed.into_iter().flatten().map(|(name, inner, how)| (name, maybe(inner, how)));
            let others = others.into_iter().enumerate();
            let others = others.map(|(number, (inner, how))| (format!("other{number}"), maybe(inner, how)));
            of_feed.chain(others).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// As [`read`] has it.
fn text(value: &Value) -> String {
    let mut text = Vec::new();
    match value {
        Value::Union(_, inner) => return self::text(inner),
        Value::Null => return "-".to_owned(),
        Value::String(text) => return text.clone(),
        Value::Long(value) => Cell::Integer(*value).write(&mut text),
        Value::Boolean(value) => Cell::Boolean(*value).write(&mut text),
        Value::Date(days) => Cell::Date(*days).write(&mut text),
        Value::TimestampMicros(micros) => Cell::Timestamp(*micros).write(&mut text),
        Value::Decimal(decimal) => {
            let bytes = <Vec<u8>>::try_from(decimal).unwrap();
            Cell::Decimal { unscaled: &bytes, scale: 2 }.write(&mut text);
        }
        other => panic!("no value of the feed's schema: {other:?}"),
    }
    String::from_utf8(text).unwrap()
}

proptest! {
    #[test]
    fn what_the_reference_implementation_resolves_is_read_alike(fields in writer()) {
        let feed = feed(&FIELDS);
        let listed: Vec<Json> = fields.iter().map(|(name, typed)| field(name, typed.kind.clone())).collect();
        let schema = record(&json!(listed));
        let parsed = Schema::parse_str(&schema).unwrap();
        let value = Value::Record(fields.into_iter().map(|(name, typed)| (name, typed.value)).collect());
        let datum = written(&schema, value);
        let reader = Schema::parse_str(&schema_of(&feed).unwrap()).unwrap();
        let resolving = GenericDatumReader::builder(&parsed).reader_schema(&reader).build().unwrap();
        let Value::Record(expected) = resolving.read_value(&mut datum.as_slice()).unwrap() else {
            panic!("the reader's schema is a record");
        };
        let expected: Vec<String> = expected.iter().map(|(_, value)| text(value)).collect();
        let reading = Reading::new(&schema, &feed).unwrap();
        prop_assert_eq!(read(&reading, &datum, FIELDS.len()).unwrap(), expected);
    }
}
