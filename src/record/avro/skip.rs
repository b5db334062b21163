//! Turns a schema into the way to pass over its values, which no field asks for.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, NamesRef, UuidSchema};

use super::datum::{DEEPEST, Datum, Fault, Undecodable};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Skip {
    /// It has no bytes.
    Nothing,
    Bytes(usize),
    Number,
    LengthAndBytes,
    All(Box<[Skip]>),
    OneOf(Box<[Skip]>),
    /// Blocks of an array's items, or of a map's keys and values.
    Blocks(Box<Skip>),
    /// A record: it may hold itself.
    Record(usize),
}

/// How to pass over each record of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Records(Vec<Skip>);

/// Makes [`Skip`]s; each record once, whatever refers to it.
pub(super) struct Skips<'s> {
    names: &'s NamesRef<'s>,
    made: HashMap<Name, usize>,
    records: Records,
}

impl<'s> Skips<'s> {
    pub(super) fn new(names: &'s NamesRef<'s>) -> Self {
        Self { names, made: HashMap::new(), records: Records::default() }
    }

    pub(super) fn into_records(self) -> Records {
        self.records
    }

    pub(super) fn of(&mut self, schema: &Schema) -> Skip {
        match schema {
            Schema::Null => Skip::Nothing,
            Schema::Boolean => Skip::Bytes(1),
            Schema::Float => Skip::Bytes(4),
            Schema::Double => Skip::Bytes(8),
            Schema::Int
            | Schema::Long
            | Schema::Enum(_)
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Skip::Number,
            Schema::Bytes | Schema::String | Schema::BigDecimal => Skip::LengthAndBytes,
            Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => Skip::LengthAndBytes,
            Schema::Uuid(UuidSchema::Fixed(fixed)) | Schema::Fixed(fixed) | Schema::Duration(fixed) => {
                bytes(fixed.size)
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Skip::LengthAndBytes,
                InnerDecimalSchema::Fixed(fixed) => bytes(fixed.size),
            },
            Schema::Array(array) => Skip::Blocks(Box::new(self.of(&array.items))),
            Schema::Map(map) => {
                let value = self.of(&map.types);
                Skip::Blocks(Box::new(all(vec![Skip::LengthAndBytes, value])))
            }
            Schema::Union(union) => Skip::OneOf(union.variants().iter().map(|branch| self.of(branch)).collect()),
            Schema::Record(record) => self.record(&record.name, schema),
            Schema::Ref { name } => match self.names.get(name) {
                Some(Schema::Record(_)) => self.record(name, self.names[name]),
                Some(schema) => self.of(schema),
                None => unreachable!("names were resolved before"),
            },
        }
    }

    fn record(&mut self, name: &Name, schema: &Schema) -> Skip {
        if let Some(known) = self.made.get(name) {
            let is_empty = self.records.0[*known] == Skip::Nothing;
            return if is_empty { Skip::Nothing } else { Skip::Record(*known) };
        }
        let Schema::Record(record) = schema else { unreachable!("a record is asked for") };
        let place = self.records.0.len();
        self.made.insert(name.clone(), place);
        // Until it is known: a record that holds itself with nothing between has no end.
        self.records.0.push(Skip::Record(place));
        let fields = record.fields.iter().map(|field| self.of(&field.schema)).collect();
        self.records.0[place] = all(fields);
        if self.records.0[place] == Skip::Nothing { Skip::Nothing } else { Skip::Record(place) }
    }
}

fn bytes(count: usize) -> Skip {
    if count == 0 { Skip::Nothing } else { Skip::Bytes(count) }
}

fn all(parts: Vec<Skip>) -> Skip {
    let mut kept: Vec<Skip> = Vec::with_capacity(parts.len());
    for part in parts {
        match (kept.last_mut(), part) {
            (_, Skip::Nothing) => {}
            (Some(Skip::Bytes(before)), Skip::Bytes(more)) => *before = before.saturating_add(more),
            (_, part) => kept.push(part),
        }
    }
    match kept.len() {
        0 => Skip::Nothing,
        1 => kept.remove(0),
        _ => Skip::All(kept.into()),
    }
}

impl Skip {
    /// `deep`: values that this one is within.
    pub(super) fn pass(&self, datum: &mut Datum<'_>, records: &Records, deep: u32) -> Result<(), Undecodable> {
        if deep > DEEPEST {
            return Err(datum.fault(Fault::TooDeep));
        }
        match self {
            Self::Nothing => {}
            Self::Bytes(count) => drop(datum.take(*count)?),
            Self::Number => drop(datum.long()?),
            Self::LengthAndBytes => drop(datum.bytes()?),
            Self::All(parts) => {
                for part in parts {
                    part.pass(datum, records, deep + 1)?;
                }
            }
            Self::OneOf(branches) => {
                let branch = datum.branch(branches.len())?;
                branches[branch].pass(datum, records, deep + 1)?;
            }
            Self::Blocks(item) => {
                while let (count @ 1.., bytes) = datum.block()? {
                    match bytes {
                        Some(bytes) => drop(datum.take(bytes)?),
                        // Whatever else is an item has a byte at least, so that a count of many ends with the datum.
                        None if **item != Self::Nothing => {
                            for _ in 0..count {
                                item.pass(datum, records, deep + 1)?;
                            }
                        }
                        None => {}
                    }
                }
            }
            Self::Record(place) => records.0[*place].pass(datum, records, deep + 1)?,
        }
        Ok(())
    }
}
