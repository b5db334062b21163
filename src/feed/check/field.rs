//! Checks one field: its name, its type, and that its options belong to the type.

use std::collections::HashSet;

use super::constraints::constraints;
use super::kinds::{TypeName, type_name};
use super::{names, pointer, time_format};
use crate::feed::decode::{Written, unknown_key};
use crate::feed::document::{FieldDocument, Scalar};
use crate::feed::fault::Findings;
use crate::feed::model::{Field, FieldType, Severity};
use crate::feed::node::shortened;
use crate::feed::words;

const LATER: &[&str] =
    &["decimalChar", "groupChar", "impliedDecimals", "sign", "default", "multipleOf", "position", "from"];

/// Frictionless Table Schema's own defaults (<https://datapackage.org/standard/table-schema/#boolean>).
const TRUE_VALUES: [&str; 4] = ["true", "True", "TRUE", "1"];
const FALSE_VALUES: [&str; 4] = ["false", "False", "FALSE", "0"];

pub(super) fn field(written: &FieldDocument, missing: &[String], findings: &mut Findings) -> Option<Field> {
    written.keys.require("name", "name: amount", findings);
    written.keys.require("type", "type: string", findings);
    let name = written.name.as_ref().and_then(|name| names::field(name, findings));
    let type_name = written.kind.as_ref().and_then(|word| type_name(word, findings));
    refuse_options(written, type_name, findings);
    let kind = kind(written, type_name?, missing, findings)?;
    let constraints = constraints(written, &kind, missing, findings);
    let pointer = match &written.pointer {
        Some(written) => Some(pointer::pointer(written, findings)?),
        None => None,
    };
    Some(Field {
        name: name?,
        description: written.description.as_ref().map(|text| text.value.clone()),
        pii: written.pii.as_ref().is_some_and(|pii| pii.value),
        kind,
        pointer,
        required: written.required.as_ref().is_some_and(|required| required.value),
        constraints,
        severity: written.severity.as_ref().map_or(Severity::Error, |severity| severity.value),
    })
}

/// Where records are text, a field is a cell.
pub(super) fn refuse_pointers(fields: &[FieldDocument], findings: &mut Findings) {
    for field in fields {
        if let Some(pointer) = &field.pointer {
            findings.add(
                pointer.at,
                "`pointer` is the way to a member of a JSON or Avro value; the records of this feed are text",
            );
        }
    }
}

/// Reports options that nobody knows, and those that belong to other types.
fn refuse_options(written: &FieldDocument, type_name: Option<TypeName>, findings: &mut Findings) {
    let Some(type_name) = type_name else {
        written.keys.refuse_others(FieldDocument::WHAT, FieldDocument::KEYS, LATER, findings);
        return;
    };
    let own = type_name.options();
    for (word, at) in &written.keys.words {
        if FieldDocument::KEYS.contains(&word.as_str()) {
            if !own.contains(&word.as_str()) {
                let others: Vec<&str> =
                    TypeName::ALL.iter().filter(|t| t.options().contains(&word.as_str())).map(|t| t.word()).collect();
                let message = format!(
                    "`{word}` is not an option of {}; it is one of {}",
                    type_name.word(),
                    words::listed(&others)
                );
                findings.add(*at, message);
            }
            continue;
        }
        findings.add(*at, unknown_key(word, type_name.word(), &own, LATER));
    }
}

fn kind(written: &FieldDocument, name: TypeName, missing: &[String], findings: &mut Findings) -> Option<FieldType> {
    match name {
        TypeName::String => Some(FieldType::String),
        TypeName::Integer => Some(FieldType::Integer),
        TypeName::Decimal { precision, scale } => Some(FieldType::Decimal { precision, scale }),
        TypeName::Boolean => boolean(written, missing, findings),
        TypeName::Date => {
            let format = time_format::date(written.format.as_ref(), findings)?;
            Some(FieldType::Date { format })
        }
        TypeName::Timestamp => {
            let zone = written.timezone.as_ref();
            // A format or zone of the wrong shape is reported already; its absence would be a second fault.
            let absent = |key| written.keys.place_of(key).is_none();
            if !(written.format.is_some() || absent("format")) || !(zone.is_some() || absent("timezone")) {
                return None;
            }
            let (format, timezone) = time_format::timestamp(written.format.as_ref(), zone, findings)?;
            Some(FieldType::Timestamp { format, timezone })
        }
    }
}

fn boolean(written: &FieldDocument, missing: &[String], findings: &mut Findings) -> Option<FieldType> {
    let texts = |values: Option<&Written<Vec<Written<Scalar>>>>, default: &[&str]| match values {
        Some(values) => values.value.iter().map(|text| text.value.0.clone()).collect(),
        None => default.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>(),
    };
    let true_values = texts(written.true_values.as_ref(), &TRUE_VALUES);
    let false_values = texts(written.false_values.as_ref(), &FALSE_VALUES);
    let mut taken: HashSet<&str> = HashSet::new();
    // What is not written takes its texts first, so that the fault stands at what is.
    if written.true_values.is_none() {
        taken.extend(TRUE_VALUES);
    }
    if written.false_values.is_none() {
        taken.extend(FALSE_VALUES);
    }
    for (key, values) in [("trueValues", &written.true_values), ("falseValues", &written.false_values)] {
        let Some(values) = values else { continue };
        findings.within(key, |findings| {
            if values.value.is_empty() {
                findings.add(values.at, "there is no text here; expected at least one");
            }
            for text in &values.value {
                refuse_text(text, &mut taken, missing, findings);
            }
        });
    }
    Some(FieldType::Boolean { true_values, false_values })
}

fn refuse_text<'d>(
    text: &'d Written<Scalar>,
    taken: &mut HashSet<&'d str>,
    missing: &[String],
    findings: &mut Findings,
) {
    let short = shortened(&text.value.0);
    if !taken.insert(&text.value.0) {
        let message =
            format!("`{short}` stands for true or false already; expected each text once (defaults count too)");
        findings.add(text.at, message);
    }
    if missing.contains(&text.value.0) {
        findings.add(text.at, format!("`{short}` is one of `missingValues`, so it is never read as true or false"));
    }
}
