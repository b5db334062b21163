//! Judges messages that are Avro, whose values have their types already.

use super::{Received, Unreadable, recycle};
use crate::feed::Framing;
use crate::record::avro::{Cell, Known, Readings, schema_ref};
use crate::rules::plan::SCHEMA_ERROR;
use crate::rules::{Breach, Plan, Scratch, Value};

/// Fills `cells` with what `value` says.
pub(super) fn read<'m>(
    value: &'m [u8],
    framing: Framing,
    readings: &'m Readings,
    cells: &mut [Option<Cell<'m>>],
) -> Result<(), Unreadable> {
    let unreadable = |message| Unreadable { rule: SCHEMA_ERROR, message };
    let (schema, datum) = schema_ref(value, framing).map_err(|none| unreadable(none.to_string()))?;
    match readings.get(&schema) {
        Some(Known::Reading(reading)) => reading.read(datum, cells).map_err(|undecodable| {
            unreadable(format!("is not of schema {schema} ({}), which it names: {undecodable}", reading.writer()))
        }),
        Some(Known::Unresolvable(why)) => Err(unreadable(format!("is of schema {schema}{why}"))),
        Some(Known::Refused(why)) => Err(unreadable(format!("is of schema {schema}{why}"))),
        Some(Known::Unknown) | None => Err(unreadable(match framing {
            Framing::SingleObject => format!("is of a schema that is not known, {schema}: `fabric schemas add FILE`"),
            Framing::Confluent => format!("is of a schema that the schema registry does not know, {schema}"),
        })),
    }
}

impl Plan {
    /// `None`: it is accepted.
    pub(super) fn judge_typed(
        &self,
        cells: &[Option<Cell<'_>>],
        received: Received<'_>,
        scratch: &mut Scratch,
        accept: &mut impl FnMut(u64, &[Value<'_>]),
    ) -> Option<Vec<Breach>> {
        let mut read = recycle(std::mem::take(&mut scratch.values));
        scratch.broken.clear();
        let fields = self.fields.iter().zip(cells);
        read.extend(fields.map(|(field, cell)| field.judge_typed(*cell, &self.missing, &mut scratch.broken)));
        let mut texts = std::mem::take(&mut scratch.texts);
        match scratch.broken.is_empty() {
            true => texts.write(cells, self.looked_up.iter().copied()),
            // Its reject quotes what it breaks.
            false => texts.write(cells, 0..cells.len()),
        }
        let breaches = self.conclude(|field| texts.of(cells, field), read, received, scratch, accept);
        scratch.texts = texts;
        breaches
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value as Avro;
    use apache_avro::writer::datum::GenericDatumWriter;
    use apache_avro::{Decimal, Schema};

    use super::*;
    use crate::feed;
    use crate::record::Messages;
    use crate::record::avro::{Reading, SchemaRef, fingerprint};
    use crate::rules::{SetFile, Sets};

    const FEED: &str = r#"
feed: payments
stream: { topic: t, value: avro }
fields:
  - { name: id, type: string, required: true, maxLength: 3 }
  - { name: amount, type: "decimal(6,2)", enum: [1.50, 2.50] }
  - { name: day, type: date, format: "%d.%m.%Y", enum: ["25.11.2026"] }
  - { name: branch, type: integer }
rules:
  - { name: known-branch, fields: [branch], reference: branches }
"#;

    const WRITER: &str = r#"{"type": "record", "name": "R", "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}, "string"]},
        {"name": "branch", "type": "int"}
    ]}"#;

    fn message(id: &str, amount: i64, day: Avro, branch: i32) -> Vec<u8> {
        let schema = Schema::parse_str(WRITER).unwrap();
        let place = match &day {
            Avro::Null => 0,
            Avro::Date(_) => 1,
            _ => 2,
        };
        let fields = [
            ("id", Avro::String(id.to_owned())),
            ("amount", Avro::Decimal(Decimal::from(amount.to_be_bytes()))),
            ("day", Avro::Union(place, Box::new(day))),
            ("branch", Avro::Int(branch)),
        ];
        let record = Avro::Record(fields.map(|(name, value)| (name.to_owned(), value)).into());
        let datum = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(record).unwrap();
        [&[0xc3, 1][..], &fingerprint(&schema), &datum].concat()
    }

    /// The values of each message, or what its reject says.
    fn judged(values: &[Vec<u8>]) -> Vec<String> {
        let feed = feed::parse("t.yaml", FEED).unwrap_or_else(|faults| panic!("{faults}"));
        let set = SetFile::read("branches.csv", &b"branch\n17\n"[..], &[]).unwrap();
        let set = set.keys.into_set(set.columns).into();
        let plan = Plan::compile(&feed, &Sets::from([("branches".to_owned(), set)])).unwrap();
        let schema = Schema::parse_str(WRITER).unwrap();
        let reading = Known::Reading(Reading::new(WRITER, &feed).unwrap().into());
        let readings = Readings::from([(SchemaRef::Fingerprint(fingerprint(&schema)), reading)]);
        let mut messages = Messages::default();
        values.iter().zip(0..).for_each(|(value, offset)| messages.push(offset, None, Some(value), 1_000));
        let mut outcomes = vec![String::new(); values.len()];
        let verdict = plan.judge_messages(&messages, &readings, &mut Scratch::default(), |offset, values| {
            outcomes[usize::try_from(offset).unwrap()] = format!("{values:?}");
        });
        for reject in &verdict.rejects {
            let said = reject.breaches.iter().map(|breach| {
                format!("{}: {} {}", breach.rule, breach.value.as_deref().unwrap_or("record"), breach.message)
            });
            outcomes[usize::try_from(reject.at.record).unwrap()] = said.collect::<Vec<_>>().join("; ");
        }
        outcomes
    }

    #[test]
    fn values_are_held_against_rules_as_values_and_looked_up_and_quoted_as_texts() {
        let said = judged(&[
            message("a", 1_500, Avro::Date(20_782), 17),
            message("b", 2_500, Avro::String("25.11.2026".into()), 17),
            message("long", 1_501, Avro::Date(20_783), 18),
            message("c", 1_500, Avro::Date(i32::MAX), 17),
            message("d", 1_000, Avro::String("2026-11-25".into()), 17),
            message("e\0", 1_500, Avro::Null, 17),
            b"\xc3\x01short".to_vec(),
            [&[0xc3, 1][..], &[7; 8]].concat(),
        ]);
        assert_eq!(said[0], r#"[Text("a"), Decimal(150), Date(20782), Integer(17)]"#);
        assert_eq!(said[1], r#"[Text("b"), Decimal(250), Date(20782), Integer(17)]"#);
        assert_eq!(
            said[2],
            "id.maxLength: long must have at most 3 characters; amount.type: 1.501 is not a decimal(6,2); \
             day.enum: 2026-11-26 must be one of 25.11.2026; known-branch: 18 is not in the reference set branches"
        );
        assert_eq!(said[3], "day.type: day 2147483647 is not a date like %d.%m.%Y");
        assert_eq!(
            said[4],
            "amount.enum: 1.000 must be one of 1.50, 2.50; day.type: 2026-11-25 is not a date like %d.%m.%Y"
        );
        assert!(said[5].starts_with("id.nul: "), "{}", said[5]);
        assert!(said[6].starts_with("schema-error: record is not Avro in single-object encoding"), "{}", said[6]);
        let unknown = "schema-error: record is of a schema that is not known, fingerprint 0707070707070707";
        assert!(said[7].starts_with(unknown), "{}", said[7]);
    }
}
