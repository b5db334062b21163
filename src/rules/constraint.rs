//! Turns a constraint of a feed into a check of one cell and its value.

use super::text_set::TextSet;
use super::{Pattern, Value};
use crate::feed::Constraint;

/// A compiled constraint.
pub(super) enum Check {
    MinLength(usize),
    MaxLength(usize),
    Pattern(Pattern),
    OneOf(TextSet),
    /// The same of values, sorted: those of Avro are no texts.
    OneOfValues(Vec<i128>),
    AtLeast(i128),
    AtMost(i128),
    Above(i128),
    Below(i128),
}

impl Check {
    pub(super) fn compile(constraint: &Constraint) -> Self {
        match constraint {
            Constraint::MinLength(length) => Self::MinLength(*length),
            Constraint::MaxLength(length) => Self::MaxLength(*length),
            Constraint::Pattern(pattern) => {
                Self::Pattern(Pattern::compile(pattern).expect("a checked feed's patterns compile"))
            }
            Constraint::Enum(texts) => Self::OneOf(TextSet::new(texts)),
            Constraint::Minimum(bound) => Self::AtLeast(bound.scaled),
            Constraint::Maximum(bound) => Self::AtMost(bound.scaled),
            Constraint::ExclusiveMinimum(bound) => Self::Above(bound.scaled),
            Constraint::ExclusiveMaximum(bound) => Self::Below(bound.scaled),
        }
    }

    /// As [`Self::compile`], for values that stand for themselves. `read` gives the value of a text.
    pub(super) fn of_values(constraint: &Constraint, read: impl Fn(&str) -> Option<i128>) -> Self {
        let Constraint::Enum(texts) = constraint else { return Self::compile(constraint) };
        let mut values: Vec<i128> = texts.iter().filter_map(|text| read(text)).collect();
        values.sort_unstable();
        Self::OneOfValues(values)
    }

    /// Whether `cell`, which means `value`, passes.
    #[inline]
    pub(super) fn holds(&self, cell: &[u8], value: &Value<'_>) -> bool {
        match self {
            // A character takes a byte at least, so most lengths need no counting.
            Self::MinLength(least) => cell.len() >= *least && characters(cell) >= *least,
            Self::MaxLength(most) => cell.len() <= *most || characters(cell) <= *most,
            Self::Pattern(pattern) => pattern.matches(cell),
            Self::OneOf(texts) => texts.contains(cell),
            Self::OneOfValues(values) => scaled(value).is_none_or(|value| values.binary_search(&value).is_ok()),
            Self::AtLeast(bound) => scaled(value).is_none_or(|value| value >= *bound),
            Self::AtMost(bound) => scaled(value).is_none_or(|value| value <= *bound),
            Self::Above(bound) => scaled(value).is_none_or(|value| value > *bound),
            Self::Below(bound) => scaled(value).is_none_or(|value| value < *bound),
        }
    }
}

/// Unicode scalar values in UTF-8: every byte that does not continue one begins one.
fn characters(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.iter().filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000).count()
}

/// The value on the scale of [`crate::feed::Bound`]; `None` where it has no order.
pub(super) fn scaled(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Integer(value) | Value::Timestamp(value) => Some(i128::from(*value)),
        Value::Decimal(value) => Some(*value),
        Value::Date(days) => Some(i128::from(*days)),
        Value::Missing | Value::Text(_) | Value::Boolean(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Bound;

    #[test]
    fn lengths_count_characters_not_bytes() {
        let holds = |constraint, text: &str| Check::compile(&constraint).holds(text.as_bytes(), &Value::Text(text));
        assert!(holds(Constraint::MaxLength(3), "äöü"));
        assert!(!holds(Constraint::MaxLength(2), "äöü"));
        assert!(holds(Constraint::MinLength(3), "äö😀"));
        assert!(!holds(Constraint::MinLength(4), "äö😀"));
        assert!(holds(Constraint::MinLength(0), ""));
    }

    #[test]
    fn bounds_compare_exactly() {
        let bound = |scaled| Bound { scaled, text: String::new() };
        let holds = |constraint, value| Check::compile(&constraint).holds(b"", &value);
        for (value, least, most, above, below) in
            [(99, false, true, false, true), (100, true, true, false, false), (101, true, false, true, false)]
        {
            for value in [Value::Integer(value), Value::Decimal(i128::from(value)), Value::Date(value as i32)] {
                assert_eq!(holds(Constraint::Minimum(bound(100)), value), least);
                assert_eq!(holds(Constraint::Maximum(bound(100)), value), most);
                assert_eq!(holds(Constraint::ExclusiveMinimum(bound(100)), value), above);
                assert_eq!(holds(Constraint::ExclusiveMaximum(bound(100)), value), below);
            }
        }
        assert!(holds(Constraint::Maximum(bound(i128::MAX)), Value::Integer(i64::MAX)));
    }
}
