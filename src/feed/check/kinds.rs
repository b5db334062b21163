//! Turns the word of a type (`decimal(12,2)`) into a [`TypeName`], and says which options each type has.

use crate::feed::decode::Written;
use crate::feed::fault::Findings;
use crate::feed::node::shortened;
use crate::feed::words;

const WORDS: &[&str] = &["string", "integer", "decimal", "boolean", "date", "timestamp"];
const LATER: &[&str] = &["number", "time", "uuid", "json"];

/// Digits of a decimal at most: what a 128-bit integer holds.
const MAX_PRECISION: u8 = 38;

/// A type as it is named, before its options are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::feed) enum TypeName {
    String,
    Integer,
    Decimal { precision: u8, scale: u8 },
    Boolean,
    Date,
    Timestamp,
}

/// What every field may say of itself.
const COMMON: [&str; 8] = ["name", "description", "classification", "pii", "type", "pointer", "required", "severity"];
const BOUNDS: [&str; 5] = ["enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

impl TypeName {
    pub(in crate::feed) const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }

    /// One of each.
    pub(in crate::feed) const ALL: [Self; 6] = [
        Self::String,
        Self::Integer,
        Self::Decimal { precision: 12, scale: 2 },
        Self::Boolean,
        Self::Date,
        Self::Timestamp,
    ];

    /// Every option that a field of this type may have.
    pub(in crate::feed) fn options(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Self::String => &["minLength", "maxLength", "pattern", "enum"],
            Self::Boolean => &["trueValues", "falseValues"],
            Self::Integer | Self::Decimal { .. } => &[],
            Self::Date => &["format"],
            Self::Timestamp => &["format", "timezone"],
        };
        let bounds: &[&str] = if matches!(self, Self::String | Self::Boolean) { &[] } else { &BOUNDS };
        [&COMMON, own, bounds].concat()
    }
}

pub(super) fn type_name(written: &Written<String>, findings: &mut Findings) -> Option<TypeName> {
    let text = written.value.trim();
    let (word, digits) = match text.split_once('(') {
        Some((word, rest)) => (word.trim_end(), Some(rest)),
        None => (text, None),
    };
    let plain = match word {
        "string" => TypeName::String,
        "integer" => TypeName::Integer,
        "boolean" => TypeName::Boolean,
        "date" => TypeName::Date,
        "timestamp" => TypeName::Timestamp,
        "decimal" => return decimal(written, digits, findings),
        _ => {
            findings.add(written.at, unknown(word));
            return None;
        }
    };
    if digits.is_some() {
        findings.add(written.at, format!("found `{}`; expected `{word}` alone", shortened(text)));
        return None;
    }
    Some(plain)
}

fn unknown(word: &str) -> String {
    if LATER.contains(&word) {
        return format!("type `{word}` is not supported yet; expected one of {}", words::listed(WORDS));
    }
    format!("there is no type `{}`{}", shortened(word), words::hint(word, WORDS))
}

/// `digits`: what stands after the opening bracket.
fn decimal(written: &Written<String>, digits: Option<&str>, findings: &mut Findings) -> Option<TypeName> {
    let pair = digits.and_then(|rest| rest.strip_suffix(')')).and_then(|inner| inner.split_once(','));
    let numbers = pair.and_then(|(p, s)| Some((p.trim().parse::<u8>().ok()?, s.trim().parse::<u8>().ok()?)));
    match numbers {
        Some((precision, scale)) if (1..=MAX_PRECISION).contains(&precision) && scale <= precision => {
            Some(TypeName::Decimal { precision, scale })
        }
        Some(_) => {
            let message = format!(
                "found `{}`; expected 1 to {MAX_PRECISION} digits in all, and no more of them after the point",
                shortened(&written.value)
            );
            findings.add(written.at, message);
            None
        }
        None => {
            let message = format!(
                "found `{}`; expected digits in all and digits after the point, as in `\"decimal(12,2)\"`",
                shortened(&written.value)
            );
            findings.add(written.at, message);
            None
        }
    }
}
