//! Checks that names are safe where they go: in SQL, in metrics, in file names.

use std::collections::HashMap;

use crate::feed::decode::Written;
use crate::feed::document::FieldDocument;
use crate::feed::fault::Findings;
use crate::feed::model::FeedName;
use crate::feed::node::shortened;

/// Columns that every Postgres table has
/// (<https://www.postgresql.org/docs/current/ddl-system-columns.html>).
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Bytes of an identifier in Postgres (`NAMEDATALEN` - 1).
const MAX_BYTES: usize = 63;

pub(super) fn feed(name: &Written<String>, findings: &mut Findings) -> Option<FeedName> {
    kebab("feed", name, FeedName::new, findings)
}

/// `what`: "feed", "rule", "reference set". `check` knows kebab-case.
pub(super) fn kebab<N>(
    what: &str,
    name: &Written<String>,
    check: impl Fn(&str) -> Option<N>,
    findings: &mut Findings,
) -> Option<N> {
    let checked = check(&name.value);
    if checked.is_none() {
        let suggestion = suggestion(&name.value, '-');
        findings.add(
            name.at,
            format!(
                "`{}` cannot be a {what}'s name; expected kebab-case: small letters, digits and `-`, a letter first, \
                 at most {MAX_BYTES} characters{suggestion}",
                shortened(&name.value)
            ),
        );
    }
    checked
}

pub(super) fn field(name: &Written<String>, findings: &mut Findings) -> Option<String> {
    if SYSTEM_COLUMNS.contains(&name.value.as_str()) {
        findings.add(
            name.at,
            format!("`{}` is a column that Postgres keeps for itself; expected another name", name.value),
        );
        return None;
    }
    if !is_identifier(&name.value) || name.value.starts_with('_') {
        let suggestion = suggestion(&name.value, '_');
        findings.add(
            name.at,
            format!(
                "`{}` cannot be a field's name; expected snake_case: small letters, digits and `_`, a letter first, \
                 at most {MAX_BYTES} characters{suggestion}",
                shortened(&name.value)
            ),
        );
        return None;
    }
    Some(name.value.clone())
}

/// `what`: "table", "schema".
pub(super) fn identifier(what: &str, name: &Written<String>, findings: &mut Findings) -> Option<String> {
    if is_identifier(&name.value) {
        return Some(name.value.clone());
    }
    let suggestion = suggestion(&name.value, '_');
    findings.add(
        name.at,
        format!(
            "`{}` cannot be a {what}'s name; expected small letters, digits and `_`, no digit first, \
             at most {MAX_BYTES} characters{suggestion}",
            shortened(&name.value)
        ),
    );
    None
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= MAX_BYTES
}

/// The name as its author may have meant it: `Posted At` as `posted_at`.
fn suggestion(name: &str, joint: char) -> String {
    let mut safe = String::new();
    for c in name.chars().take(MAX_BYTES) {
        let after_word = safe.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit());
        if (c.is_ascii_uppercase() || !c.is_ascii_alphanumeric()) && after_word {
            safe.push(joint);
        }
        if c.is_ascii_alphanumeric() {
            safe.push(c.to_ascii_lowercase());
        }
    }
    let safe = safe.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches(joint);
    let good = if joint == '-' { FeedName::new(safe).is_some() } else { is_identifier(safe) };
    if good && safe != name { format!("; for example `{safe}`") } else { String::new() }
}

pub(super) fn refuse_repeated(fields: &[FieldDocument], findings: &mut Findings) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for name in fields.iter().filter_map(|field| field.name.as_ref()) {
        match lines.get(name.value.as_str()) {
            Some(line) => {
                let message = format!("there is a field `{}` in line {line} already", shortened(&name.value));
                findings.add(name.at, message);
            }
            None => {
                lines.insert(&name.value, name.at.line);
            }
        }
    }
}
