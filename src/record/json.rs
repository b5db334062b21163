//! Turns a JSON value into the cells of a record, by the ways of a feed's fields to their members.
//!
//! A string's cell is its text; any other value's is its JSON text, as `->>` of Postgres has it. What is `null` or not there
//! has no cell. Of a member that stands twice the last counts (RFC 8259 leaves it open; most readers do so).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Members;

/// Cells in the order of the feed's fields.
pub type Cells<'v> = Vec<Option<Cow<'v, str>>>;

impl Members {
    /// Fills `cells`, one per field. The error says why the value is no JSON object; it quotes nothing of it.
    pub fn read<'v>(&self, value: &'v [u8], cells: &mut Cells<'v>) -> Result<(), String> {
        cells.iter_mut().for_each(|cell| *cell = None);
        let text =
            std::str::from_utf8(value).map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to()))?;
        if !text.trim_start().starts_with('{') {
            return Err("is not a JSON object".to_owned());
        }
        self.walk(text, cells).map_err(|error| format!("is not JSON: {error}"))
    }

    fn walk<'v>(&self, text: &'v str, cells: &mut Cells<'v>) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_any(Walk { members: self, cells })?;
        deserializer.end()
    }

    /// The member `place` of this has the value `raw`.
    fn take<'v>(&self, place: usize, raw: &'v RawValue, cells: &mut Cells<'v>) -> Result<(), serde_json::Error> {
        let child = &self.children[place].1;
        child.clear(cells);
        let text = raw.get();
        if let Some(cell) = cell(text)? {
            for field in &child.fields {
                cells[*field] = Some(cell.clone());
            }
        }
        if !child.children.is_empty() && text.starts_with(['{', '[']) {
            child.walk(text, cells)?;
        }
        Ok(())
    }

    /// What an earlier member of the same name gave.
    fn clear(&self, cells: &mut Cells<'_>) {
        self.fields.iter().for_each(|field| cells[*field] = None);
        self.children.iter().for_each(|(_, child)| child.clear(cells));
    }
}

fn cell(text: &str) -> Result<Option<Cow<'_, str>>, serde_json::Error> {
    if text == "null" {
        return Ok(None);
    }
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Ok(Some(Cow::Borrowed(text)));
    };
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Some(Cow::Borrowed(inner)));
    }
    serde_json::from_str(text).map(|text| Some(Cow::Owned(text)))
}

struct Walk<'w, 'v> {
    members: &'w Members,
    cells: &'w mut Cells<'v>,
}

impl<'v> Visitor<'v> for Walk<'_, 'v> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'v>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { members, cells } = self;
        while let Some(place) = map.next_key_seed(Name(members))? {
            match place {
                Some(place) => {
                    let raw: &RawValue = map.next_value()?;
                    members.take(place, raw, cells).map_err(serde::de::Error::custom)?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    /// A pointer's token may be an item's number.
    fn visit_seq<A: SeqAccess<'v>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { members, cells } = self;
        let mut number = 0_usize;
        while let Some(raw) = items.next_element::<&RawValue>()? {
            let name = number.to_string();
            if let Some(place) = members.children.iter().position(|(child, _)| *child == name) {
                members.take(place, raw, cells).map_err(serde::de::Error::custom)?;
            }
            number += 1;
        }
        Ok(())
    }
}

/// A member's name, as its place among those that are wanted.
struct Name<'m>(&'m Members);

impl<'v> serde::de::DeserializeSeed<'v> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'v>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().position(|(child, _)| child == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ways: &[&[&str]]) -> Members {
        let mut members = Members::default();
        for (index, way) in ways.iter().enumerate() {
            let way: Vec<String> = way.iter().map(|name| (*name).to_owned()).collect();
            members.add(&way, index);
        }
        members
    }

    fn read(ways: &[&[&str]], value: &str) -> Result<Vec<Option<String>>, String> {
        let mut cells = vec![None; ways.len()];
        members(ways).read(value.as_bytes(), &mut cells)?;
        Ok(cells.into_iter().map(|cell| cell.map(Cow::into_owned)).collect())
    }

    fn texts(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| (*cell != "-").then(|| (*cell).to_owned())).collect()
    }

    #[test]
    fn a_member_is_a_cell_and_null_is_none() {
        let ways: [&[&str]; 5] = [&["id"], &["amount"], &["ok"], &["note"], &["absent"]];
        let value = r#" {"note":null,"id":"T\u00e9\n","other":[{"id":1}],"amount":12.50,"ok":true} "#;
        assert_eq!(read(&ways, value).unwrap(), texts(&["T\u{e9}\n", "12.50", "true", "-", "-"]));
    }

    #[test]
    fn a_pointer_goes_into_objects_and_arrays() {
        let ways: [&[&str]; 4] = [&["a", "b"], &["a"], &["list", "1", "x"], &["a", "b", "c"]];
        let value = r#"{"a":{"b":7},"list":[0,{"x":"y"}]}"#;
        assert_eq!(read(&ways, value).unwrap(), texts(&["7", r#"{"b":7}"#, "y", "-"]));
    }

    #[test]
    fn of_a_member_that_stands_twice_the_last_counts_wholly() {
        let ways: [&[&str]; 2] = [&["a", "b"], &["a", "c"]];
        assert_eq!(read(&ways, r#"{"a":{"b":1,"c":2},"a":{"b":3}}"#).unwrap(), texts(&["3", "-"]));
    }

    #[test]
    fn what_is_no_json_object_is_refused_without_quoting_it() {
        let ways: [&[&str]; 1] = [&["a"]];
        for value in ["", "[1]", "secret", r#"{"a":1"#, r#"{"a":1} {"a":2}"#, r#"{"a":"\ud800"}"#, r#"{"a":01}"#] {
            let said = read(&ways, value).unwrap_err();
            assert!(said.starts_with("is not ") && !said.contains("secret"), "{value}: {said}");
        }
        let mut cells = vec![None];
        let said = members(&ways).read(b"{\"a\":\"\xff\"}", &mut cells).unwrap_err();
        assert_eq!(said, "is not UTF-8 at byte 6");
    }
}
