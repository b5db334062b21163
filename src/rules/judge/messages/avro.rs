//! Judges messages that are Avro, whose values have their types already.

use super::{Unreadable, recycle};
use crate::feed::Framing;
use crate::record::Message;
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
        message: &Message,
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
        let breaches = self.conclude(|field| texts.of(cells, field), read, message, scratch, accept);
        scratch.texts = texts;
        breaches
    }
}
