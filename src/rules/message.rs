//! Turns a broken rule into what a person reads after the cell: `must be greater than 0`.

use crate::feed::{Constraint, FieldType};
use crate::record::RecordFault;

pub(super) const REQUIRED: &str = "is required";
pub(super) const ENCODING: &str = "is not UTF-8";
pub(super) const NUL: &str = "holds a NUL character (U+0000), which Postgres cannot store";

/// A list or a pattern is cut after so many characters.
const LONGEST: usize = 120;

/// Where the number of cells comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WidthOf {
    Header,
    Feed,
}

pub(super) fn structure(fault: RecordFault, width_of: WidthOf) -> String {
    match fault {
        RecordFault::FieldCount { expected, found } => {
            let cells = if found == 1 { "cell" } else { "cells" };
            match width_of {
                WidthOf::Header => format!("has {found} {cells}, the header has {expected}"),
                WidthOf::Feed => format!("has {found} {cells}, the feed has {expected} fields"),
            }
        }
        RecordFault::UnclosedQuote => "opens a quote that never closes".to_owned(),
        RecordFault::Overlong { length } => {
            format!("is {} bytes long, longer than a record may be", grouped(length))
        }
    }
}

pub(super) fn kind(kind: &FieldType) -> String {
    match kind {
        FieldType::String => ENCODING.to_owned(),
        FieldType::Integer => "is not an integer of 64 bits".to_owned(),
        FieldType::Decimal { precision, scale } => format!("is not a decimal({precision},{scale})"),
        FieldType::Boolean { true_values, false_values } => {
            format!("is not a boolean: {}", list(&[true_values.as_slice(), false_values].concat()))
        }
        FieldType::Date { format } => format!("is not a date like {format}"),
        FieldType::Timestamp { format, timezone: None } => format!("is not a timestamp like {format}"),
        FieldType::Timestamp { format, timezone: Some(zone) } => {
            format!("is not a timestamp like {format} that exists in {zone}")
        }
    }
}

pub(super) fn constraint(constraint: &Constraint) -> String {
    match constraint {
        Constraint::MinLength(1) => "must have at least 1 character".to_owned(),
        Constraint::MinLength(length) => format!("must have at least {length} characters"),
        Constraint::MaxLength(1) => "must have at most 1 character".to_owned(),
        Constraint::MaxLength(length) => format!("must have at most {length} characters"),
        Constraint::Pattern(pattern) => format!("must match {}", cut(pattern)),
        Constraint::Enum(texts) => format!("must be one of {}", list(texts)),
        Constraint::Minimum(bound) => format!("must be at least {}", bound.text),
        Constraint::Maximum(bound) => format!("must be at most {}", bound.text),
        Constraint::ExclusiveMinimum(bound) => format!("must be greater than {}", bound.text),
        Constraint::ExclusiveMaximum(bound) => format!("must be less than {}", bound.text),
    }
}

/// `USD, EUR, GBP`; a long list says how many more there are.
fn list(texts: &[String]) -> String {
    let mut listed = String::new();
    for (n, text) in texts.iter().enumerate() {
        if n > 0 && listed.chars().count() + text.chars().count() > LONGEST {
            return format!("{listed} and {} more", grouped((texts.len() - n) as u64));
        }
        if n > 0 {
            listed.push_str(", ");
        }
        listed.push_str(&if text.is_empty() { "\"\"".to_owned() } else { cut(text) });
    }
    listed
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `4,194,305`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (4_194_305, "4,194,305")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn long_lists_say_how_many_more_there_are() {
        let texts = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&texts(0..3)), "0, 1, 2");
        let long = list(&texts(1000..5000));
        assert!(long.ends_with("1019 and 3,980 more"), "{long}");
        assert_eq!(list(&["N".to_owned(), String::new()]), "N, \"\"");
    }

    #[test]
    fn structure_is_told_in_a_sentence_after_the_record() {
        let count = RecordFault::FieldCount { expected: 12, found: 11 };
        assert_eq!(structure(count, WidthOf::Header), "has 11 cells, the header has 12");
        assert_eq!(structure(count, WidthOf::Feed), "has 11 cells, the feed has 12 fields");
        assert_eq!(
            structure(RecordFault::Overlong { length: 4_194_305 }, WidthOf::Feed),
            "is 4,194,305 bytes long, longer than a record may be"
        );
    }
}
