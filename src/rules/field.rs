//! Turns a field of a feed into what reads its cells, and a cell into a value and the rules that it broke.

use super::calendar;
use super::constraint::{Check, scaled};
use super::number::{self, Decimal};
use super::text_set::TextSet;
use super::{Format, RuleId, Value, Zone};
use crate::feed::{Constraint, FieldType};
use crate::record::avro::{Cell, unscaled};

/// One field, compiled. Its rules' ids ascend in the order in which it is declared to report them.
pub(super) struct FieldPlan {
    pub required: Option<RuleId>,
    /// `type`, or `encoding` of a text.
    pub unreadable: RuleId,
    /// Of texts: other types read no such cell.
    pub nul: Option<RuleId>,
    pub reading: Reading,
    pub checks: Vec<(RuleId, Check)>,
}

/// How a cell becomes a value.
pub(super) enum Reading {
    Text,
    Integer,
    Decimal(Decimal),
    Boolean {
        yes: TextSet,
        no: TextSet,
    },
    Date(Format),
    /// Without a zone the format reads an offset.
    Timestamp(Format, Option<Zone>),
}

/// Whether the chunk holds a NUL anywhere: nearly none does, and then no cell need be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nuls {
    Absent,
    Somewhere,
}

impl FieldPlan {
    /// Adds the rules that `cell` breaks to `broken`; `text` gives the cell as UTF-8, if it is. The value is [`Value::Missing`] where the cell cannot be read.
    #[inline(always)]
    pub(super) fn judge<'c>(
        &self,
        cell: Option<&'c [u8]>,
        text: impl FnOnce() -> Option<&'c str>,
        missing: &TextSet,
        nuls: Nuls,
        broken: &mut Vec<RuleId>,
    ) -> Value<'c> {
        let Some(cell) = cell.filter(|cell| !missing.contains(cell)) else {
            broken.extend(self.required);
            return Value::Missing;
        };
        let Some(value) = self.reading.read(cell, text) else {
            broken.push(self.unreadable);
            return Value::Missing;
        };
        if nuls == Nuls::Somewhere && memchr::memchr(0, cell).is_some() {
            broken.extend(self.nul);
        }
        for (rule, check) in &self.checks {
            if !check.holds(cell, &value) {
                broken.push(*rule);
            }
        }
        value
    }
}

impl FieldPlan {
    /// As [`Self::judge`], of a value that is typed already.
    #[inline]
    pub(super) fn judge_typed<'c>(
        &self,
        cell: Option<Cell<'c>>,
        missing: &TextSet,
        broken: &mut Vec<RuleId>,
    ) -> Value<'c> {
        let typed = match cell {
            None => None,
            Some(Cell::Text(text)) => Some(text),
            Some(cell) => return self.judge_value(self.reading.typed(cell), broken),
        };
        self.judge(typed, || std::str::from_utf8(typed?).ok(), missing, Nuls::Somewhere, broken)
    }

    fn judge_value<'c>(&self, value: Option<Value<'c>>, broken: &mut Vec<RuleId>) -> Value<'c> {
        let Some(value) = value else {
            broken.push(self.unreadable);
            return Value::Missing;
        };
        // What has a type has no text: those of a text's constraints that look at one are texts' alone.
        broken.extend(self.checks.iter().filter(|(_, check)| !check.holds(b"", &value)).map(|(rule, _)| *rule));
        value
    }
}

impl Reading {
    /// A field's constraint as values of Avro are held against it.
    pub(super) fn check_of_values(&self, constraint: &Constraint) -> Check {
        match self {
            Self::Text => Check::compile(constraint),
            _ => Check::of_values(constraint, |text| scaled(&self.read(text.as_bytes(), || Some(text))?)),
        }
    }

    /// `None`: the type has no such value.
    fn typed<'c>(&self, cell: Cell<'_>) -> Option<Value<'c>> {
        match (self, cell) {
            (Self::Integer, Cell::Integer(value)) => Some(Value::Integer(value)),
            (Self::Decimal(decimal), Cell::Integer(value)) => decimal.fit(i128::from(value), 0).map(Value::Decimal),
            (Self::Decimal(decimal), Cell::Decimal { unscaled: bytes, scale }) => {
                decimal.fit(unscaled(bytes)?, scale).map(Value::Decimal)
            }
            (Self::Boolean { .. }, Cell::Boolean(value)) => Some(Value::Boolean(value)),
            (Self::Date(_), Cell::Date(days)) => calendar::is_day(i64::from(days)).then_some(Value::Date(days)),
            (Self::Timestamp(..), Cell::Timestamp(micros)) => instant(micros),
            (Self::Timestamp(_, Some(zone)), Cell::LocalTimestamp(micros)) => {
                let offset = zone.offset_at(micros.div_euclid(1_000_000))?;
                instant(micros.checked_sub(offset * 1_000_000)?)
            }
            // The schema was resolved against the field's type.
            _ => None,
        }
    }

    pub(super) fn compile(kind: &FieldType) -> Self {
        match kind {
            FieldType::String => Self::Text,
            FieldType::Integer => Self::Integer,
            FieldType::Decimal { precision, scale } => Self::Decimal(Decimal::new(*precision, *scale)),
            FieldType::Boolean { true_values, false_values } => {
                Self::Boolean { yes: TextSet::new(true_values), no: TextSet::new(false_values) }
            }
            FieldType::Date { format } => Self::Date(compiled(format)),
            FieldType::Timestamp { format, timezone } => Self::Timestamp(
                compiled(format),
                timezone.as_deref().map(|name| Zone::named(name).expect("a checked feed's time zones exist")),
            ),
        }
    }

    #[inline]
    fn read<'c>(&self, cell: &'c [u8], text: impl FnOnce() -> Option<&'c str>) -> Option<Value<'c>> {
        match self {
            Self::Text => text().map(Value::Text),
            Self::Integer => number::integer(cell).map(Value::Integer),
            Self::Decimal(decimal) => decimal.read(cell).map(Value::Decimal),
            Self::Boolean { yes, .. } if yes.contains(cell) => Some(Value::Boolean(true)),
            Self::Boolean { no, .. } => no.contains(cell).then_some(Value::Boolean(false)),
            Self::Date(format) => format.read(cell).map(|moment| Value::Date(moment.days)),
            Self::Timestamp(format, zone) => timestamp(format, zone.as_ref(), cell).map(Value::Timestamp),
        }
    }
}

/// In the years that Postgres prints without an era.
fn instant<'c>(micros: i64) -> Option<Value<'c>> {
    calendar::is_day(micros.div_euclid(86_400_000_000)).then_some(Value::Timestamp(micros))
}

fn compiled(format: &str) -> Format {
    Format::compile(format).expect("a checked feed's formats compile")
}

/// Microseconds since 1970-01-01T00:00:00Z.
fn timestamp(format: &Format, zone: Option<&Zone>, cell: &[u8]) -> Option<i64> {
    let moment = format.read(cell)?;
    let midnight = i64::from(moment.days) * 86_400;
    let offset = match zone {
        None => i64::from(moment.offset_seconds),
        Some(zone) => zone.offset_at(midnight + moment.micros.div_euclid(1_000_000))?,
    };
    Some((midnight - offset) * 1_000_000 + moment.micros)
}
