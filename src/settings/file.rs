//! A settings file (TOML) as a flat list of keys, each with its place.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Origin, SettingFault};

/// One value of the file.
pub struct Entry {
    /// `validate.workers`
    pub key: String,
    /// As text: what a variable or a flag would say.
    pub text: String,
    pub origin: Origin,
}

/// Flattens the file. A file that is no TOML is one fault with its place.
pub fn read(path: &Path, text: &str, faults: &mut Vec<SettingFault>) -> Vec<Entry> {
    let at = |offset: usize| place(path, text, offset);
    let mut entries = Vec::new();
    match DeTable::parse(text) {
        Ok(table) => flatten("", table.get_ref(), &at, &mut entries, faults),
        Err(error) => faults.push(SettingFault {
            origin: at(error.span().map_or(0, |span| span.start)),
            message: error.message().replace('\n', " "),
        }),
    }
    entries
}

fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    at: &impl Fn(usize) -> Origin,
    entries: &mut Vec<Entry>,
    faults: &mut Vec<SettingFault>,
) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&format!("{key}."), inner, at, entries, faults),
            other => match as_text(other) {
                Some(text) => entries.push(Entry { key, text, origin: at(name.span().start) }),
                None => faults.push(SettingFault {
                    origin: at(value.span().start),
                    message: format!("{key}: {} cannot be a setting's value", other.type_str()),
                }),
            },
        }
    }
}

fn as_text(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item: &Spanned<_>| item.get_ref().as_str()).collect();
            items?.join(",")
        }
        _ => return None,
    })
}

fn place(path: &Path, text: &str, offset: usize) -> Origin {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Origin::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
