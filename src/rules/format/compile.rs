//! Turns the words of a format into steps, and refuses words that are unknown, doubled or not enough.

use super::{Format, Offset, TimeOfDay};

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Literal(u8),
    Year,
    ShortYear,
    Month(Digits),
    MonthName(Name),
    Day(Digits),
    DayOfYear,
    Hour(Digits),
    HalfDayHour(Digits),
    Meridiem,
    Minute,
    Second,
    Fraction,
    PointedFraction,
    Offset(Colon),
    /// `%Y-%m-%d` in one step: most formats have it.
    IsoDate,
    /// `%H:%M:%S` in one step.
    IsoTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    Two,
    OneOrTwo,
    /// One or two, or a space and one.
    SpacePadded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Short,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colon {
    Without,
    With,
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("`{0}` is not a word of date formats")]
    UnknownWord(String),
    #[error("a `%` begins a word but nothing follows it; write `%%` for a percent sign")]
    Unfinished,
    #[error("the {0} is read twice")]
    Twice(&'static str),
    #[error("no whole date: it takes a year (%Y or %y) with a month and a day, or with a day of the year (%j)")]
    NoDate,
    #[error("{0}")]
    Clock(&'static str),
}

pub(super) fn compile(format: &str) -> Result<Format, FormatError> {
    let mut steps = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        steps.extend(rest.bytes().take(at).map(Step::Literal));
        let word = word(&rest[at..])?;
        steps.extend(steps_of(word)?);
        rest = &rest[at + word.len()..];
    }
    steps.extend(rest.bytes().map(Step::Literal));
    let parts = Parts::of(&steps)?;
    parts.check()?;
    let time = if parts.hour || parts.half_day_hour { TimeOfDay::Read } else { TimeOfDay::Midnight };
    let offset = if parts.offset { Offset::Read } else { Offset::Unknown };
    Ok(Format { steps: fuse(&steps), time, offset })
}

/// The word at the start of `text`, which begins with `%`.
fn word(text: &str) -> Result<&str, FormatError> {
    let flags = text[1..].chars().take_while(|c| matches!(c, '-' | '.' | ':')).count();
    let letter = text[1 + flags..].chars().next().ok_or(FormatError::Unfinished)?;
    Ok(&text[..1 + flags + letter.len_utf8()])
}

fn steps_of(word: &str) -> Result<Vec<Step>, FormatError> {
    let step = match word {
        "%%" => Step::Literal(b'%'),
        "%Y" => Step::Year,
        "%y" => Step::ShortYear,
        "%m" => Step::Month(Digits::Two),
        "%-m" => Step::Month(Digits::OneOrTwo),
        "%b" | "%h" => Step::MonthName(Name::Short),
        "%B" => Step::MonthName(Name::Full),
        "%d" => Step::Day(Digits::Two),
        "%-d" => Step::Day(Digits::OneOrTwo),
        "%e" => Step::Day(Digits::SpacePadded),
        "%j" => Step::DayOfYear,
        "%H" => Step::Hour(Digits::Two),
        "%-H" => Step::Hour(Digits::OneOrTwo),
        "%I" => Step::HalfDayHour(Digits::Two),
        "%-I" => Step::HalfDayHour(Digits::OneOrTwo),
        "%p" => Step::Meridiem,
        "%M" => Step::Minute,
        "%S" => Step::Second,
        "%f" => Step::Fraction,
        "%.f" => Step::PointedFraction,
        "%z" => Step::Offset(Colon::Without),
        "%:z" => Step::Offset(Colon::With),
        "%F" => return Ok(ISO_DATE.to_vec()),
        "%T" => return Ok(ISO_TIME.to_vec()),
        "%R" => return Ok(ISO_TIME[..3].to_vec()),
        "%D" => return Ok(AMERICAN_DATE.to_vec()),
        _ => return Err(FormatError::UnknownWord(word.to_owned())),
    };
    Ok(vec![step])
}

const ISO_DATE: [Step; 5] =
    [Step::Year, Step::Literal(b'-'), Step::Month(Digits::Two), Step::Literal(b'-'), Step::Day(Digits::Two)];

const ISO_TIME: [Step; 5] =
    [Step::Hour(Digits::Two), Step::Literal(b':'), Step::Minute, Step::Literal(b':'), Step::Second];

const AMERICAN_DATE: [Step; 5] =
    [Step::Month(Digits::Two), Step::Literal(b'/'), Step::Day(Digits::Two), Step::Literal(b'/'), Step::ShortYear];

/// Puts one step in the place of the runs that most formats have.
fn fuse(steps: &[Step]) -> Vec<Step> {
    let mut fused = Vec::with_capacity(steps.len());
    let mut rest = steps;
    while let Some((first, others)) = rest.split_first() {
        let (step, after) = if let Some(after) = rest.strip_prefix(&ISO_DATE) {
            (Step::IsoDate, after)
        } else if let Some(after) = rest.strip_prefix(&ISO_TIME) {
            (Step::IsoTime, after)
        } else {
            (*first, others)
        };
        fused.push(step);
        rest = after;
    }
    fused
}

/// Which parts of a moment a format reads.
#[derive(Default)]
struct Parts {
    year: bool,
    month: bool,
    day: bool,
    day_of_year: bool,
    hour: bool,
    half_day_hour: bool,
    meridiem: bool,
    minute: bool,
    second: bool,
    fraction: bool,
    offset: bool,
}

impl Parts {
    fn of(steps: &[Step]) -> Result<Self, FormatError> {
        let mut parts = Self::default();
        for step in steps {
            let (part, name) = match step {
                Step::Literal(_) | Step::IsoDate | Step::IsoTime => continue,
                Step::Year | Step::ShortYear => (&mut parts.year, "year"),
                Step::Month(_) | Step::MonthName(_) => (&mut parts.month, "month"),
                Step::Day(_) => (&mut parts.day, "day"),
                Step::DayOfYear => (&mut parts.day_of_year, "day of the year"),
                Step::Hour(_) => (&mut parts.hour, "hour"),
                Step::HalfDayHour(_) => (&mut parts.half_day_hour, "hour"),
                Step::Meridiem => (&mut parts.meridiem, "half of the day"),
                Step::Minute => (&mut parts.minute, "minute"),
                Step::Second => (&mut parts.second, "second"),
                Step::Fraction | Step::PointedFraction => (&mut parts.fraction, "fraction"),
                Step::Offset(_) => (&mut parts.offset, "offset"),
            };
            if std::mem::replace(part, true) {
                return Err(FormatError::Twice(name));
            }
        }
        Ok(parts)
    }

    fn check(&self) -> Result<(), FormatError> {
        let by_month = self.month && self.day;
        if !self.year || by_month == self.day_of_year || (self.day_of_year && (self.month || self.day)) {
            return Err(FormatError::NoDate);
        }
        let hour = self.hour || self.half_day_hour;
        let fault = if self.hour && (self.half_day_hour || self.meridiem) {
            "%H counts 24 hours: it takes no %I or %p beside it"
        } else if self.half_day_hour != self.meridiem {
            "%I (12 hours) and %p (AM or PM) say an hour only together"
        } else if (self.minute || self.offset) && !hour {
            "there is a minute or an offset, but no hour (%H)"
        } else if self.second && !self.minute {
            "there is a second, but no minute (%M)"
        } else if self.fraction && !self.second {
            "there is a fraction, but no second (%S)"
        } else {
            return Ok(());
        };
        Err(FormatError::Clock(fault))
    }
}
