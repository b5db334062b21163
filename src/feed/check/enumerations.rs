//! Checks the values that a field lists: each of the field's type, once, and able to pass its other rules.

use std::collections::HashSet;

use super::bounds::value;
use super::constraints::Limits;
use crate::feed::decode::Written;
use crate::feed::document::Scalar;
use crate::feed::fault::Findings;
use crate::feed::model::{Constraint, FieldType};
use crate::feed::node::shortened;

pub(super) fn listed(
    written: Option<&Written<Vec<Written<Scalar>>>>,
    kind: &FieldType,
    limits: &Limits,
    missing: &[String],
    findings: &mut Findings,
) -> Option<Constraint> {
    let written = written?;
    findings.within("enum", |findings| {
        if written.value.is_empty() {
            findings.add(written.at, "there is no value here; expected at least one");
        }
        let mut seen = HashSet::new();
        for text in &written.value {
            let short = shortened(&text.value.0);
            if !seen.insert(&text.value.0) {
                findings.add(text.at, format!("`{short}` stands here a second time"));
            } else if missing.contains(&text.value.0) {
                findings.add(
                    text.at,
                    format!("`{short}` is one of the layout's `missingValues`, so no value is ever `{short}`"),
                );
            } else if let Some(fault) = impossible(&text.value.0, kind, limits) {
                findings.add(text.at, format!("`{short}` {fault}"));
            }
        }
    });
    Some(Constraint::Enum(written.value.iter().map(|text| text.value.0.clone()).collect()))
}

/// Why a value can never be read as one of the field's.
fn impossible(text: &str, kind: &FieldType, limits: &Limits) -> Option<String> {
    if *kind == FieldType::String {
        return unfit(text, limits);
    }
    let Some(scaled) = value(kind, text) else {
        return Some(match kind {
            FieldType::Date { format } | FieldType::Timestamp { format, .. } => {
                format!("is not as `{format}` writes it")
            }
            _ => format!("is not of type {kind}"),
        });
    };
    // A range with nothing in it has a fault of its own.
    let (least, greatest) = limits.range.filter(|(least, greatest)| least <= greatest)?;
    (!(least..=greatest).contains(&scaled)).then(|| "is outside the field's own bounds".to_owned())
}

fn unfit(text: &str, limits: &Limits) -> Option<String> {
    let length = text.chars().count();
    if let Some(least) = limits.min_length.filter(|least| length < *least) {
        return Some(format!("has {length} characters, fewer than `minLength: {least}`"));
    }
    if let Some(most) = limits.max_length.filter(|most| length > *most) {
        return Some(format!("has {length} characters, more than `maxLength: {most}`"));
    }
    let pattern = limits.pattern.as_ref()?;
    (!pattern.is_match(text)).then(|| "does not match the field's own pattern".to_owned())
}
