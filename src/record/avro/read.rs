//! Reads a datum's cells as a [`Reading`] says, which was made of its schema once.

use std::sync::Arc;

use super::cell::Cell;
use super::datum::{Datum, Fault, Undecodable};
use super::skip::{Records, Skip};

/// The writer's schema, resolved against a feed's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The writer's name of its records.
    pub(super) writer: String,
    pub(super) step: Step,
    pub(super) records: Records,
}

/// What to do with the next value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Skip(Skip),
    Take {
        form: Form,
        field: usize,
    },
    Record(Box<[Step]>),
    Union(Box<[Step]>),
    Map {
        entries: Box<[Entry]>,
        other: Skip,
    },
    /// The branch of a union that is of no use for the field, and why.
    Unfit(Arc<str>),
}

/// A key of a map that a field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: Box<str>,
    pub value: Step,
    /// Those that are filled by it.
    pub fields: Box<[usize]>,
}

/// How a value stands in the datum, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// Its symbols.
    Enum(Box<[Box<str>]>),
    Int,
    Long,
    Boolean,
    Decimal {
        scale: usize,
    },
    FixedDecimal {
        size: usize,
        scale: usize,
    },
    Date,
    Timestamp(Unit),
    LocalTimestamp(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    const fn micros(self, count: i64) -> i64 {
        match self {
            Self::Millis => count.saturating_mul(1_000),
            Self::Micros => count,
            // As the digits of a text, dropped.
            Self::Nanos => count.div_euclid(1_000),
        }
    }
}

impl Reading {
    /// The full name of the record that the writer's schema is of.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Fills `cells`, one per field of the feed.
    pub fn read<'m>(&'m self, datum: &'m [u8], cells: &mut [Option<Cell<'m>>]) -> Result<(), Undecodable> {
        cells.fill(None);
        let mut datum = Datum::new(datum);
        self.take(&self.step, &mut datum, cells)?;
        datum.end()
    }

    fn take<'m>(
        &'m self,
        step: &'m Step,
        datum: &mut Datum<'m>,
        cells: &mut [Option<Cell<'m>>],
    ) -> Result<(), Undecodable> {
        match step {
            Step::Take { form, field } => cells[*field] = Some(form.take(datum)?),
            Step::Union(branches) => {
                let branch = datum.branch(branches.len())?;
                self.take(&branches[branch], datum, cells)?;
            }
            Step::Skip(skip) => skip.pass(datum, &self.records, 0)?,
            Step::Record(steps) => {
                for step in steps {
                    self.take(step, datum, cells)?;
                }
            }
            Step::Map { entries, other } => {
                while let (count @ 1.., _) = datum.block()? {
                    for _ in 0..count {
                        self.take_entry(entries, other, datum, cells)?;
                    }
                }
            }
            Step::Unfit(why) => return Err(datum.fault(Fault::Unfit(Arc::clone(why)))),
        }
        Ok(())
    }

    /// Of a key that stands twice the last counts, as of a member of JSON.
    fn take_entry<'m>(
        &'m self,
        entries: &'m [Entry],
        other: &Skip,
        datum: &mut Datum<'m>,
        cells: &mut [Option<Cell<'m>>],
    ) -> Result<(), Undecodable> {
        let key = datum.bytes()?;
        let Some(entry) = entries.iter().find(|entry| entry.key.as_bytes() == key) else {
            return other.pass(datum, &self.records, 0);
        };
        entry.fields.iter().for_each(|field| cells[*field] = None);
        self.take(&entry.value, datum, cells)
    }
}

impl Form {
    #[inline]
    fn take<'m>(&'m self, datum: &mut Datum<'m>) -> Result<Cell<'m>, Undecodable> {
        Ok(match self {
            Self::Text => Cell::Text(datum.bytes()?),
            Self::Enum(symbols) => Cell::Text(symbols[datum.symbol(symbols.len())?].as_bytes()),
            Self::Int => Cell::Integer(i64::from(datum.int()?)),
            Self::Long => Cell::Integer(datum.long()?),
            Self::Boolean => Cell::Boolean(datum.boolean()?),
            Self::Decimal { scale } => Cell::Decimal { unscaled: datum.bytes()?, scale: *scale },
            Self::FixedDecimal { size, scale } => Cell::Decimal { unscaled: datum.take(*size)?, scale: *scale },
            Self::Date => Cell::Date(datum.int()?),
            Self::Timestamp(unit) => Cell::Timestamp(unit.micros(datum.long()?)),
            Self::LocalTimestamp(unit) => Cell::LocalTimestamp(unit.micros(datum.long()?)),
        })
    }
}
