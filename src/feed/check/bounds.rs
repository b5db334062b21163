//! Turns the text of a bound or of a listed value into the scaled integer that the field's type compares with.

use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::time_format::zone;
use crate::feed::model::FieldType;
use crate::feed::node::shortened;

/// Which way a bound moves that has more digits than its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the next value below: the least that an upper bound lets through.
    Down,
    Up,
}

/// The values that a type can have at all; `None` for types that are not ordered.
pub(super) fn range(kind: &FieldType) -> Option<(i128, i128)> {
    match kind {
        FieldType::Integer => Some((i64::MIN.into(), i64::MAX.into())),
        FieldType::Decimal { precision, .. } => {
            let end = 10_i128.pow(u32::from(*precision)) - 1;
            Some((-end, end))
        }
        FieldType::Date { .. } | FieldType::Timestamp { .. } => Some((i128::MIN, i128::MAX)),
        FieldType::String | FieldType::Boolean { .. } => None,
    }
}

/// A bound of `kind`. The error says what was found and what was expected.
pub(super) fn bound(kind: &FieldType, text: &str, rounding: Rounding) -> Result<i128, String> {
    let scaled = match kind {
        FieldType::Integer => number(text, 0).map(|number| number.rounded(rounding)),
        FieldType::Decimal { scale, .. } => number(text, *scale).map(|number| number.rounded(rounding)),
        FieldType::Date { format } => day(format, text).or_else(|| day("%Y-%m-%d", text)),
        FieldType::Timestamp { format, timezone } => instant(format, timezone.as_deref(), text, rounding)
            .or_else(|| iso_instant(timezone.as_deref(), text, rounding)),
        FieldType::String | FieldType::Boolean { .. } => None,
    };
    scaled.ok_or_else(|| format!("found `{}`; expected {}", shortened(text), expected(kind)))
}

/// A value as it stands in a file, which has to be exactly of its type.
pub(super) fn value(kind: &FieldType, text: &str) -> Option<i128> {
    let scaled = match kind {
        FieldType::Integer => number(text, 0)?.exact(),
        FieldType::Decimal { scale, .. } => number(text, *scale)?.exact(),
        FieldType::Date { format } => day(format, text),
        FieldType::Timestamp { format, timezone } => instant(format, timezone.as_deref(), text, Rounding::Down),
        FieldType::String | FieldType::Boolean { .. } => None,
    }?;
    range(kind).is_some_and(|(least, greatest)| (least..=greatest).contains(&scaled)).then_some(scaled)
}

fn expected(kind: &FieldType) -> String {
    match kind {
        FieldType::Date { format } => format!("a date as `{format}` writes it, or as in `2026-11-24`"),
        FieldType::Timestamp { format, timezone: None } => {
            format!("a time as `{format}` writes it, or as in `2026-11-24T01:02:03+00:00`")
        }
        FieldType::Timestamp { format, timezone: Some(_) } => {
            format!("a time as `{format}` writes it, or as in `2026-11-24T01:02:03`")
        }
        _ => "a number written out in digits, as in `-12.50`, of at most 38 digits".to_owned(),
    }
}

/// A number of which `scaled` is the part that its field can hold, cut towards zero.
struct Number {
    scaled: i128,
    rest: Rest,
}

/// What was cut off.
enum Rest {
    Nothing,
    Positive,
    Negative,
}

impl Number {
    fn exact(self) -> Option<i128> {
        matches!(self.rest, Rest::Nothing).then_some(self.scaled)
    }

    fn rounded(self, rounding: Rounding) -> i128 {
        match (self.rest, rounding) {
            (Rest::Positive, Rounding::Up) => self.scaled + 1,
            (Rest::Negative, Rounding::Down) => self.scaled - 1,
            _ => self.scaled,
        }
    }
}

/// `-?[0-9]+(\.[0-9]+)?`, scaled by 10^`scale`; `None` for anything else, and past 38 digits.
fn number(text: &str, scale: u8) -> Option<Number> {
    let (magnitude, sign) = match text.strip_prefix('-') {
        Some(magnitude) => (magnitude, -1),
        None => (text, 1),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = usize::from(scale);
    let (kept, cut) = fraction.split_at(fraction.len().min(scale));
    let unscaled = format!("{whole}{kept:0<scale$}");
    let unscaled = unscaled.trim_start_matches('0');
    if unscaled.len() > 38 {
        return None;
    }
    let scaled = if unscaled.is_empty() { 0 } else { unscaled.parse::<i128>().ok()? };
    let rest = match cut.bytes().any(|digit| digit != b'0') {
        false => Rest::Nothing,
        true if sign > 0 => Rest::Positive,
        true => Rest::Negative,
    };
    Some(Number { scaled: scaled * sign, rest })
}

/// Days since 1970-01-01.
fn day(format: &str, text: &str) -> Option<i128> {
    let date = strtime::parse(format, text).ok()?.to_date().ok()?;
    let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(civil::Time::midnight())).ok()?;
    Some(midnight.as_second().div_euclid(86_400).into())
}

/// Microseconds since 1970-01-01 UTC.
fn instant(format: &str, timezone: Option<&str>, text: &str, rounding: Rounding) -> Option<i128> {
    let parsed = strtime::parse(format, text).ok()?;
    let timestamp = match timezone {
        None => parsed.to_timestamp().ok()?,
        Some(name) => zone(name)?.to_timestamp(parsed.to_datetime().ok()?).ok()?,
    };
    Some(microseconds(timestamp, rounding))
}

fn iso_instant(timezone: Option<&str>, text: &str, rounding: Rounding) -> Option<i128> {
    let timestamp = match timezone {
        None => text.parse::<jiff::Timestamp>().ok()?,
        Some(name) => zone(name)?.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok()?,
    };
    Some(microseconds(timestamp, rounding))
}

fn microseconds(timestamp: jiff::Timestamp, rounding: Rounding) -> i128 {
    let nanoseconds = timestamp.as_nanosecond();
    let below = nanoseconds.div_euclid(1_000);
    let exact = nanoseconds.rem_euclid(1_000) == 0;
    if exact || rounding == Rounding::Down { below } else { below + 1 }
}
