//! Names and values as they stand in SQL text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::copy::copy_columns;
use crate::feed::{Feed, Target};

/// A name in double quotes: reserved words are names like any other.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

pub(super) fn table(target: &Target) -> String {
    format!("{}.{}", ident(&target.schema), ident(&target.table))
}

/// The target's columns in the order in which [`crate::copy::RowEncoder`] writes them.
pub(super) fn columns(feed: &Feed) -> String {
    idents(copy_columns(feed))
}

/// A text as a literal, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub(super) fn bytes_literal(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(bytes.len() * 2 + 16);
    literal.push_str("'\\x");
    for byte in bytes {
        write!(literal, "{byte:02x}").expect("a String takes whatever is written");
    }
    literal.push_str("'::bytea");
    literal
}

/// Counts by name as JSON; null where there are none.
pub(super) fn counts_literal<K: AsRef<str> + Ord + serde::Serialize>(counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return "null".into();
    }
    literal(&serde_json::to_string(counts).expect("names and numbers are JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_cannot_end_a_literal() {
        assert_eq!(literal(r"a'b\"), r"E'a''b\\'");
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(bytes_literal(&[0, 255]), "'\\x00ff'::bytea");
    }
}
