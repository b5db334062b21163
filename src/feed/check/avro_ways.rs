//! Checks that the ways to the fields are those of a record that an Avro schema can describe.

use std::cmp::Ordering;

use crate::feed::document::FieldDocument;
use crate::feed::fault::{Findings, Place};
use crate::feed::model::{Field, is_avro_name};
use crate::feed::node::shortened;

/// `documents` and `fields` are the same fields.
pub(super) fn refuse_impossible(documents: &[FieldDocument], fields: &[Field], findings: &mut Findings) {
    for (number, field) in fields.iter().enumerate() {
        let Some(at) = place(&documents[number]) else { continue };
        let fault = strange_name(field).or_else(|| crossing(field, &fields[..number]));
        if let Some(fault) = fault {
            findings.named(Some(&field.name), |findings| findings.within("pointer", |f| f.add(at, fault)));
        }
    }
}

fn place(document: &FieldDocument) -> Option<Place> {
    let pointer = document.pointer.as_ref().map(|pointer| pointer.at);
    pointer.or(document.name.as_ref().map(|name| name.at))
}

fn strange_name(field: &Field) -> Option<String> {
    let strange = field.way().iter().find(|name| !is_avro_name(name))?;
    Some(format!(
        "`{}` cannot be a name in Avro; expected letters of ASCII, digits and `_`, no digit first",
        shortened(strange)
    ))
}

/// A value is of one type: no other field is at the same place, above or below.
fn crossing(field: &Field, before: &[Field]) -> Option<String> {
    let way = field.way();
    let other = before.iter().find(|other| way.starts_with(other.way()) || other.way().starts_with(way))?;
    let relation = match other.way().len().cmp(&way.len()) {
        Ordering::Equal => "is also the place of",
        Ordering::Less => "leads through the place of",
        Ordering::Greater => "holds the place of",
    };
    Some(format!(
        "/{} {relation} `{}`; expected a place of its own, as an Avro value has one type",
        way.join("/"),
        other.name
    ))
}
