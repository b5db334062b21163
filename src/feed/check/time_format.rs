//! Turns the format of a date or a timestamp into the parts that it reads, and refuses what does not make one moment.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::feed::decode::Written;
use crate::feed::fault::Findings;
use crate::feed::node::shortened;
use crate::feed::words;

/// A part of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimePart {
    Year,
    Month,
    Day,
    DayOfYear,
    Hour,
    /// 1 to 12, with [`TimePart::HalfDay`].
    Hour12,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
}

/// The strptime words that a format may have, and the parts that each reads; `%%` reads a per cent sign.
/// Their meaning is that of <https://docs.rs/jiff/latest/jiff/fmt/strtime/>. A time zone's abbreviation (`%Z`) is not
/// among them: `CST` names four zones.
pub const TIME_WORDS: &[(&str, &[TimePart])] = &[
    ("%Y", &[TimePart::Year]),
    ("%y", &[TimePart::Year]),
    ("%m", &[TimePart::Month]),
    ("%b", &[TimePart::Month]),
    ("%B", &[TimePart::Month]),
    ("%d", &[TimePart::Day]),
    ("%e", &[TimePart::Day]),
    ("%j", &[TimePart::DayOfYear]),
    ("%F", &[TimePart::Year, TimePart::Month, TimePart::Day]),
    ("%H", &[TimePart::Hour]),
    ("%I", &[TimePart::Hour12]),
    ("%p", &[TimePart::HalfDay]),
    ("%M", &[TimePart::Minute]),
    ("%S", &[TimePart::Second]),
    ("%T", &[TimePart::Hour, TimePart::Minute, TimePart::Second]),
    ("%f", &[TimePart::Fraction]),
    ("%.f", &[TimePart::Fraction]),
    ("%z", &[TimePart::Offset]),
    ("%:z", &[TimePart::Offset]),
    ("%%", &[]),
];

pub(super) const DATE_DEFAULT: &str = "%Y-%m-%d";
pub(super) const TIMESTAMP_DEFAULT: &str = "%Y-%m-%dT%H:%M:%S%:z";

/// A date's format; the default where none is written.
pub(super) fn date(written: Option<&Written<String>>, findings: &mut Findings) -> Option<String> {
    let Some(written) = written else { return Some(DATE_DEFAULT.to_owned()) };
    let parts = findings.within("format", |f| parts(written, f))?;
    let fault = date_fault(&parts).or_else(|| {
        let clock = parts.iter().any(|part| *part >= TimePart::Hour);
        clock.then(|| "it reads a time of day, and a date has none; expected type `timestamp`".to_owned())
    });
    conclude(written, fault, findings)
}

/// A timestamp's format and zone; one of them says the offset from UTC.
pub(super) fn timestamp(
    format: Option<&Written<String>>,
    timezone: Option<&Written<String>>,
    findings: &mut Findings,
) -> Option<(String, Option<String>)> {
    let default = Written {
        at: timezone.map_or(crate::feed::fault::Place::start(0), |zone| zone.at),
        value: TIMESTAMP_DEFAULT.to_owned(),
    };
    let written = format.unwrap_or(&default);
    let parts = findings.within("format", |f| parts(written, f))?;
    let fault = date_fault(&parts).or_else(|| clock_fault(&parts));
    let checked = conclude(written, fault, findings);
    let zone = timezone.map(|zone| findings.within("timezone", |f| zone_name(zone, f)));
    match (parts.contains(&TimePart::Offset), timezone) {
        (true, Some(zone)) => {
            let message =
                format!("`timezone` stands beside the offset that `{}` reads; expected one of the two", written.value);
            findings.add(zone.at, message);
            None
        }
        (false, None) => {
            let message =
                "the format reads no offset (`%z`, `%:z`); expected `timezone` too, as in `timezone: Europe/Zurich`";
            findings.add(written.at, message);
            None
        }
        (true, None) => Some((checked?, None)),
        (false, Some(_)) => Some((checked?, Some(zone??))),
    }
}

fn conclude(written: &Written<String>, fault: Option<String>, findings: &mut Findings) -> Option<String> {
    match fault {
        None => Some(written.value.clone()),
        Some(fault) => {
            let message = format!("found `{}`; {fault}", shortened(&written.value));
            findings.within("format", |f| f.add(written.at, message));
            None
        }
    }
}

/// The parts that a format reads, in its order. `None` where it has a word that we do not support.
fn parts(written: &Written<String>, findings: &mut Findings) -> Option<Vec<TimePart>> {
    let mut parts = Vec::new();
    let mut good = true;
    let mut rest = written.value.as_str();
    while let Some(start) = rest.find('%') {
        rest = &rest[start..];
        let known = TIME_WORDS.iter().find(|(word, _)| rest.starts_with(word));
        let Some((word, reads)) = known else {
            findings.add(written.at, unknown(rest));
            good = false;
            rest = &rest[1..];
            continue;
        };
        if let Some(twice) = reads.iter().find(|part| parts.contains(*part)) {
            findings.add(written.at, format!("`{word}` reads the {} a second time", describe(*twice)));
            good = false;
        }
        parts.extend_from_slice(reads);
        rest = &rest[word.len()..];
    }
    good.then_some(parts)
}

fn unknown(rest: &str) -> String {
    let letter = rest.char_indices().find(|(at, c)| *at > 0 && c.is_alphabetic());
    let word = letter.map_or(rest, |(at, c)| &rest[..at + c.len_utf8()]);
    let known: Vec<&str> = TIME_WORDS.iter().map(|(word, _)| *word).collect();
    format!("`{}` is not supported; expected words among {}", shortened(word), words::listed(&known))
}

const fn describe(part: TimePart) -> &'static str {
    match part {
        TimePart::Year => "year",
        TimePart::Month => "month",
        TimePart::Day => "day",
        TimePart::DayOfYear => "day of the year",
        TimePart::Hour | TimePart::Hour12 => "hour",
        TimePart::HalfDay => "half of the day (`%p`)",
        TimePart::Minute => "minute",
        TimePart::Second => "second",
        TimePart::Fraction => "fraction of the second",
        TimePart::Offset => "offset",
    }
}

/// Why the parts do not name exactly one day.
fn date_fault(parts: &[TimePart]) -> Option<String> {
    let has = |part| parts.contains(&part);
    if has(TimePart::DayOfYear) && (has(TimePart::Month) || has(TimePart::Day)) {
        return Some(
            "it reads both the day of the year (`%j`) and a month or its day; expected one of the two".to_owned(),
        );
    }
    let needed: &[TimePart] =
        if has(TimePart::DayOfYear) { &[TimePart::Year] } else { &[TimePart::Year, TimePart::Month, TimePart::Day] };
    missing(parts, needed)
}

/// Why the parts do not name exactly one time of day.
fn clock_fault(parts: &[TimePart]) -> Option<String> {
    let has = |part| parts.contains(&part);
    match (has(TimePart::Hour), has(TimePart::Hour12), has(TimePart::HalfDay)) {
        (true, false, false) | (false, true, true) => {}
        (false, false, _) => return Some("it reads no hour; expected `%H`, `%T`, or `%I` with `%p`".to_owned()),
        _ => return Some("expected the hour as `%H`, or as `%I` with `%p`".to_owned()),
    }
    if has(TimePart::Second) {
        return missing(parts, &[TimePart::Minute]);
    }
    if has(TimePart::Fraction) { missing(parts, &[TimePart::Second]) } else { None }
}

fn missing(parts: &[TimePart], needed: &[TimePart]) -> Option<String> {
    let part = needed.iter().find(|part| !parts.contains(part))?;
    Some(format!("it reads no {}", describe(*part)))
}

/// The zone of that IANA name, from the copy of the time zone database in this program: a definition means the same
/// on every machine.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

fn zone_name(written: &Written<String>, findings: &mut Findings) -> Option<String> {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
    if names.contains(&written.value) {
        return Some(written.value.clone());
    }
    let near = words::nearest(&written.value, names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; expected an IANA name, as in `Europe/Zurich` or `UTC`".to_owned(),
    };
    findings.add(written.at, format!("there is no time zone `{}`{hint}", shortened(&written.value)));
    None
}
