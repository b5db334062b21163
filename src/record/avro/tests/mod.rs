//! Reading Avro: what is read as what, by tables and by properties.

mod derived;
mod evolution;
mod hostile;
mod resolution;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value as Json, json};

use super::{Cell, Reading, Texts, Undecodable, Unresolvable};
use crate::feed::{self, Feed};

/// A feed of Avro values with these fields, each an entry of `fields:`.
fn feed(fields: &[&str]) -> Feed {
    let fields: String = fields.iter().map(|field| format!("  - {{ {field} }}\n")).collect();
    let text = format!("feed: card-payments\nstream: {{ topic: t, value: avro }}\nfields:\n{fields}");
    feed::parse("t.yaml", &text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// A writer's record with these fields.
fn record(fields: &Json) -> String {
    json!({ "type": "record", "name": "Payment", "namespace": "org.example", "fields": fields }).to_string()
}

fn field(name: &str, kind: Json) -> Json {
    json!({ "name": name, "type": kind })
}

/// As the reference implementation writes it.
fn written(schema: &str, value: Value) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// Each field as its text; `-` where it has no value.
fn read(reading: &Reading, datum: &[u8], fields: usize) -> Result<Vec<String>, Undecodable> {
    let mut cells = vec![None; fields];
    reading.read(datum, &mut cells)?;
    let mut texts = Texts::default();
    texts.write(&cells, 0..fields);
    let text = |field: usize, cell: &Option<Cell<'_>>| match cell {
        None => "-".to_owned(),
        Some(_) => String::from_utf8_lossy(texts.of(&cells, field)).into_owned(),
    };
    Ok(cells.iter().enumerate().map(|(field, cell)| text(field, cell)).collect())
}

/// What a feed's fields are of a value that was written with `schema`.
fn resolved(feed: &Feed, schema: &str, value: Value) -> Result<Vec<String>, Unresolvable> {
    let reading = Reading::new(schema, feed)?;
    Ok(read(&reading, &written(schema, value), feed.fields.len()).unwrap())
}

fn of(fields: &[(&str, Value)]) -> Value {
    Value::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}
