//! The schema that a feed's fields are.

use super::super::schema_of;
use super::*;

#[test]
fn a_feeds_fields_are_a_record_in_the_words_of_avro() {
    let feed = feed(&[
        "name: id, type: string, required: true, description: Of the processor",
        "name: amount, type: \"decimal(12,2)\"",
        "name: city, pointer: /address/city, type: string",
        "name: lat, pointer: /address/geo/lat, type: integer, required: true",
        "name: note, pointer: /extra/note, type: boolean",
        "name: day, type: date, required: true, severity: warn",
        "name: at, type: timestamp, required: true",
    ]);
    let schema = schema_of(&feed).unwrap();
    insta::assert_snapshot!(schema);
    // What is written with it is read with it.
    let some = |value: Value| Value::Union(1, Box::new(value));
    let value = of(&[
        ("id", Value::String("P1".into())),
        ("amount", some(Value::Decimal(apache_avro::Decimal::from(1250_i64.to_be_bytes())))),
        ("address", of(&[("city", some(Value::String("Bern".into()))), ("geo", of(&[("lat", Value::Long(46))]))])),
        ("extra", Value::Union(0, Box::new(Value::Null))),
        ("day", some(Value::Date(0))),
        ("at", Value::TimestampMicros(1)),
    ]);
    let datum = written(&schema, value);
    let reading = Reading::new(&schema, &feed).unwrap();
    let read = read(&reading, &datum, feed.fields.len()).unwrap();
    assert_eq!(read, ["P1", "12.50", "Bern", "46", "-", "1970-01-01", "1970-01-01T00:00:00.000001Z"]);
}

#[test]
fn ways_that_avro_lacks_are_named() {
    let of = |fields: &str| {
        feed::parse("t.yaml", &format!("feed: t\nstream: {{ topic: t, value: json }}\nfields: [ {fields} ]")).unwrap()
    };
    let strange = of("{ name: a, type: string }, { name: b, pointer: /x/1st, type: string }");
    assert!(schema_of(&strange).unwrap_err().to_string().starts_with("field b: /x/1st leads through a name"));
    let crossing = of("{ name: a, type: string }, { name: b, pointer: /a/b, type: string }");
    assert!(schema_of(&crossing).unwrap_err().to_string().starts_with("field b: /a/b is the place of another field"));
}
