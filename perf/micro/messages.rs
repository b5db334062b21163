//! Turns the generated records into messages of a stream, in JSON and in Avro, and judges them.

use std::hint::black_box;

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Decimal, Schema};
use fabric::feed::{self, Feed};
use fabric::record::Messages;
use fabric::record::avro::{Known, Reading, Readings, SchemaRef, fingerprint, schema_of};
use fabric::rules::{Plan, Scratch, Sets, Value};

use crate::input::Input;
use crate::parts::{chunks, columns, plan};

/// A record of the feed, in the order of its fields.
type Write<'w> = dyn FnMut(&[Value<'_>], &[&[u8]]) -> Vec<u8> + 'w;

/// Values as their source wrote them.
pub fn json(input: Input) -> Box<dyn FnMut()> {
    let feed = stream(&input.feed, "json");
    let messages = messages(&input, &mut |_, cells| {
        let members = feed.fields.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let members = members.map(|(field, cell)| (field.name.clone(), String::from_utf8_lossy(cell).into()));
        serde_json::to_vec(&serde_json::Value::Object(members.collect())).expect("strings are JSON")
    });
    judging(&feed, messages, Readings::new())
}

/// Values of the types that the feed's own schema has.
pub fn avro(input: Input) -> Box<dyn FnMut()> {
    let feed = stream(&input.feed, "avro");
    let document = schema_of(&feed).expect("its fields are names of Avro");
    let schema = Schema::parse_str(&document).expect("it is Avro");
    let writer = GenericDatumWriter::builder(&schema).build().expect("it resolves");
    let own = fingerprint(&schema);
    let messages = messages(&input, &mut |values, _| {
        let values = feed.fields.iter().zip(values).map(|(field, value)| {
            let written = written(value);
            let written = match (field.is_optional(), &written) {
                (false, _) => written,
                (true, Avro::Null) => Avro::Union(0, Box::new(written)),
                (true, _) => Avro::Union(1, Box::new(written)),
            };
            (field.name.clone(), written)
        });
        let datum = writer.write_value_to_vec(Avro::Record(values.collect())).expect("it is of its schema");
        [&[0xc3, 0x01][..], &own, &datum].concat()
    });
    let reading = Known::Reading(Reading::new(&document, &feed).expect("its own schema").into());
    judging(&feed, messages, [(SchemaRef::Fingerprint(own), reading)].into())
}

fn written(value: &Value<'_>) -> Avro {
    match *value {
        Value::Missing => Avro::Null,
        Value::Text(text) => Avro::String(text.to_owned()),
        Value::Integer(value) => Avro::Long(value),
        Value::Decimal(value) => Avro::Decimal(Decimal::from(i64::try_from(value).expect("money").to_be_bytes())),
        Value::Boolean(value) => Avro::Boolean(value),
        Value::Date(days) => Avro::Date(days),
        Value::Timestamp(micros) => Avro::TimestampMicros(micros),
    }
}

/// The feed's fields, of a stream of such values.
fn stream(feed: &Feed, value: &str) -> Feed {
    let text = format!("feed: t\nstream: {{ topic: t, value: {value} }}\nfields: [ {{ name: a, type: string }} ]");
    let stream = feed::parse("stream.yaml", &text).unwrap_or_else(|faults| panic!("{faults}"));
    Feed { layout: stream.layout, stream: stream.stream, ..feed.clone() }
}

fn messages(input: &Input, write: &mut Write<'_>) -> Messages {
    let (plan, columns) = (plan(input), columns(input));
    let (mut messages, mut offset) = (Messages::default(), 0);
    for chunk in chunks(input) {
        plan.judge(&columns, &chunk, &mut Scratch::default(), |record, values| {
            let cells: Vec<&[u8]> = (0..record.len()).map(|cell| record.cell(cell)).collect();
            messages.push(offset, None, Some(&write(values, &cells)), usize::MAX);
            offset += 1;
        });
    }
    messages
}

fn judging(feed: &Feed, messages: Messages, readings: Readings) -> Box<dyn FnMut()> {
    let plan = Plan::compile(feed, &Sets::new()).expect("the feed looks no set up");
    let mut scratch = Scratch::default();
    let judged = plan.judge_messages(&messages, &readings, &mut scratch, |_, _| {});
    assert_eq!(judged.rejects, [], "what was accepted as text is accepted as a message");
    Box::new(move || {
        black_box(plan.judge_messages(&messages, &readings, &mut scratch, |_, values| {
            black_box(values);
        }));
    })
}
