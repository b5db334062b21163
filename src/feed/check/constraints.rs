//! Checks the rules of one field, alone and together: each must be possible, and some value must pass them all.

use regex::{Regex, RegexBuilder};

use super::bounds::{Rounding, bound, range};
use super::enumerations::listed;
use crate::feed::decode::Written;
use crate::feed::document::{FieldDocument, Scalar};
use crate::feed::fault::{Findings, Place};
use crate::feed::model::{Bound, Constraint, FieldType};

/// Bytes of a compiled pattern at most: a pattern is compiled once per process, and each worker's cache grows with it.
const MAX_PATTERN_BYTES: usize = 2 << 20;

/// What a value must pass before it is one of the listed ones.
pub(super) struct Limits {
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub pattern: Option<Regex>,
    /// The least and the greatest value that pass, in the field's scale.
    pub range: Option<(i128, i128)>,
}

/// In the order of [`Constraint`]. Options that do not belong to the type are reported elsewhere and left out here.
pub(super) fn constraints(
    written: &FieldDocument,
    kind: &FieldType,
    missing: &[String],
    findings: &mut Findings,
) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    let mut limits = Limits { min_length: None, max_length: None, pattern: None, range: range(kind) };
    if *kind == FieldType::String {
        lengths(written, &mut limits, findings);
        constraints.extend(limits.min_length.map(Constraint::MinLength));
        constraints.extend(limits.max_length.map(Constraint::MaxLength));
        constraints.extend(pattern(written.pattern.as_ref(), &mut limits, findings));
    }
    let bounds = if range(kind).is_some() { bounds(written, kind, &mut limits, findings) } else { Vec::new() };
    if !matches!(kind, FieldType::Boolean { .. }) {
        constraints.extend(listed(written.values.as_ref(), kind, &limits, missing, findings));
    }
    constraints.extend(bounds);
    constraints
}

fn lengths(written: &FieldDocument, limits: &mut Limits, findings: &mut Findings) {
    let length = |length: &Option<Written<u64>>| length.as_ref().and_then(|length| usize::try_from(length.value).ok());
    limits.min_length = length(&written.min_length);
    limits.max_length = length(&written.max_length);
    if let (Some(least), Some(most), Some(at)) = (limits.min_length, limits.max_length, &written.max_length)
        && least > most
    {
        findings.add(at.at, format!("`minLength: {least}` is more than `maxLength: {most}`; no value has both"));
    }
}

/// A regular expression that matches whole values, as every reader of a definition compiles it.
pub fn whole_value(pattern: &str) -> Result<Regex, regex::Error> {
    // Alone first: `a)|(b` would compile inside the group.
    RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build()?;
    // The line end closes a comment that a pattern in mode `x` may end with.
    let closed =
        if pattern.contains('#') { format!(r"\A(?:{pattern}{}", "\n)\\z") } else { format!(r"\A(?:{pattern})\z") };
    RegexBuilder::new(&closed).size_limit(MAX_PATTERN_BYTES).build()
}

fn pattern(written: Option<&Written<String>>, limits: &mut Limits, findings: &mut Findings) -> Option<Constraint> {
    let written = written?;
    match whole_value(&written.value) {
        Ok(regex) => {
            limits.pattern = Some(regex);
            Some(Constraint::Pattern(written.value.clone()))
        }
        Err(error) => {
            findings.within("pattern", |f| f.add(written.at, reason(&error)));
            None
        }
    }
}

/// The regex crate draws its errors over several lines; the last says what is wrong.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("it needs more than {} KiB when compiled; expected fewer or smaller repetitions", limit / 1024)
        }
        _ => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("it does not compile: {last}")
        }
    }
}

/// An option that bounds values.
struct Side<'d> {
    written: Option<&'d Written<Scalar>>,
    rounding: Rounding,
    constraint: fn(Bound) -> Constraint,
    /// The range that is left of another one.
    narrow: fn(i128, (i128, i128)) -> (i128, i128),
}

fn sides(written: &FieldDocument) -> [Side<'_>; 4] {
    use Rounding::{Down, Up};
    let side = |written, rounding, constraint, narrow| Side { written, rounding, constraint, narrow };
    [
        side(written.minimum.as_ref(), Up, Constraint::Minimum, |b, (lo, hi)| (lo.max(b), hi)),
        side(written.maximum.as_ref(), Down, Constraint::Maximum, |b, (lo, hi)| (lo, hi.min(b))),
        side(written.exclusive_minimum.as_ref(), Down, Constraint::ExclusiveMinimum, |b, (lo, hi)| (lo.max(b + 1), hi)),
        side(written.exclusive_maximum.as_ref(), Up, Constraint::ExclusiveMaximum, |b, (lo, hi)| (lo, hi.min(b - 1))),
    ]
}

fn bounds(written: &FieldDocument, kind: &FieldType, limits: &mut Limits, findings: &mut Findings) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    let mut last: Option<Place> = None;
    for side in sides(written) {
        let Some(value) = side.written else { continue };
        let text = value.value.0.clone();
        match bound(kind, &text, side.rounding) {
            Ok(scaled) => {
                limits.range = limits.range.map(|range| (side.narrow)(scaled, range));
                last = last.max(Some(value.at));
                constraints.push((side.constraint)(Bound { scaled, text }));
            }
            Err(fault) => {
                let key = (side.constraint)(Bound { scaled: 0, text }).keyword();
                findings.within(key, |f| f.add(value.at, fault));
            }
        }
    }
    if let (Some((least, greatest)), Some(at)) = (limits.range, last)
        && least > greatest
    {
        findings.add(at, nothing_left(kind, &constraints));
    }
    constraints
}

fn nothing_left(kind: &FieldType, constraints: &[Constraint]) -> String {
    let written: Vec<String> = constraints
        .iter()
        .filter_map(|constraint| match constraint {
            Constraint::Minimum(bound)
            | Constraint::Maximum(bound)
            | Constraint::ExclusiveMinimum(bound)
            | Constraint::ExclusiveMaximum(bound) => Some(format!("`{}: {}`", constraint.keyword(), bound.text)),
            _ => None,
        })
        .collect();
    format!("no {kind} passes {}", written.join(" and "))
}
