//! Runs a format's steps over a text.

use super::Moment;
use super::compile::{Colon, Digits, Name, Step};
use crate::rules::calendar;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What has been read so far.
#[derive(Default)]
struct Parts {
    year: i32,
    month: u32,
    day: u32,
    /// From 1; 0 where the format reads month and day.
    day_of_year: u32,
    hour: u32,
    /// Hours that PM adds.
    afternoon: u32,
    minute: u32,
    second: u32,
    micros: u32,
    offset_seconds: i32,
}

pub(super) fn read(steps: &[Step], text: &[u8]) -> Option<Moment> {
    let mut parts = Parts::default();
    let mut rest = text;
    for step in steps {
        rest = parts.take(*step, rest)?;
    }
    if rest.is_empty() { parts.moment() } else { None }
}

impl Parts {
    /// Reads one step from the start of `text`, and gives what is left.
    #[inline]
    fn take<'t>(&mut self, step: Step, text: &'t [u8]) -> Option<&'t [u8]> {
        let (slot, (value, rest)) = match step {
            Step::IsoDate => return self.iso_date(text),
            Step::IsoTime => return self.iso_time(text),
            Step::Literal(byte) => return literal(byte, text),
            Step::Year => return self.year(text),
            Step::ShortYear => return self.short_year(text),
            Step::Fraction => return self.fraction(text),
            Step::PointedFraction => {
                return literal(b'.', text).map_or(Some(text), |digits| self.fraction(digits));
            }
            Step::Offset(colon) => return self.offset(colon, text),
            Step::Meridiem => return self.meridiem(text),
            Step::HalfDayHour(digits) => return self.half_day_hour(digits, text),
            Step::Month(digits) => (&mut self.month, number(digits, text)?),
            Step::MonthName(name) => (&mut self.month, month_name(name, text)?),
            Step::Day(digits) => (&mut self.day, number(digits, text)?),
            Step::DayOfYear => (&mut self.day_of_year, day_of_year(text)?),
            Step::Hour(digits) => (&mut self.hour, number(digits, text)?),
            Step::Minute => (&mut self.minute, number(Digits::Two, text)?),
            Step::Second => (&mut self.second, number(Digits::Two, text)?),
        };
        *slot = value;
        Some(rest)
    }

    fn iso_date<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let [year_month @ .., tens, ones] = date;
        let pairs = pairs(year_month, b"0000-00-")?;
        self.year = i32::from(pairs[0]) * 100 + i32::from(pairs[2]);
        self.month = pairs[5].into();
        self.day = pair(*tens, *ones)?;
        Some(rest)
    }

    fn iso_time<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (time, rest) = text.split_first_chunk::<8>()?;
        let pairs = pairs(time, b"00:00:00")?;
        (self.hour, self.minute, self.second) = (pairs[0].into(), pairs[3].into(), pairs[6].into());
        Some(rest)
    }

    fn year<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let ([y1, y2, y3, y4], rest) = text.split_first_chunk::<4>()?;
        self.year = (pair(*y1, *y2)? * 100 + pair(*y3, *y4)?) as i32;
        Some(rest)
    }

    fn short_year<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (value, rest) = number(Digits::Two, text)?;
        self.year = if value >= 69 { 1900 } else { 2000 } + value as i32;
        Some(rest)
    }

    fn half_day_hour<'t>(&mut self, digits: Digits, text: &'t [u8]) -> Option<&'t [u8]> {
        let (value, rest) = number(digits, text)?;
        // 12 AM is midnight, 12 PM noon.
        self.hour = (1..=12).contains(&value).then_some(value % 12)?;
        Some(rest)
    }

    fn meridiem<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (letters, rest) = text.split_first_chunk::<2>()?;
        self.afternoon = match letters.map(|letter| letter.to_ascii_uppercase()) {
            [b'A', b'M'] => 0,
            [b'P', b'M'] => 12,
            _ => return None,
        };
        Some(rest)
    }

    fn fraction<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let count = text.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = text.split_at(count);
        if digits.is_empty() {
            return None;
        }
        let kept = &digits[..count.min(6)];
        let value = kept.iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
        self.micros = value * 10u32.pow(6 - kept.len() as u32);
        Some(rest)
    }

    fn offset<'t>(&mut self, colon: Colon, text: &'t [u8]) -> Option<&'t [u8]> {
        let (sign, rest) = text.split_first()?;
        let sign = match sign {
            b'+' => 1,
            b'-' => -1,
            b'Z' => return Some(rest),
            _ => return None,
        };
        let (hours, rest) = number(Digits::Two, rest)?;
        let rest = if colon == Colon::With { literal(b':', rest)? } else { rest };
        let (minutes, rest) = number(Digits::Two, rest)?;
        if hours > 15 || minutes > 59 {
            return None;
        }
        self.offset_seconds = sign * (hours * 3600 + minutes * 60) as i32;
        Some(rest)
    }

    fn moment(&self) -> Option<Moment> {
        let days = match self.day_of_year {
            0 => calendar::days(self.year, self.month, self.day)?,
            day => calendar::days_of_year(self.year, day)?,
        };
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = (self.hour + self.afternoon) * 3600 + self.minute * 60 + self.second;
        let micros = i64::from(seconds) * 1_000_000 + i64::from(self.micros);
        Some(Moment { days, micros, offset_seconds: self.offset_seconds })
    }
}

fn literal(byte: u8, text: &[u8]) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    (*first == byte).then_some(rest)
}

fn digit(byte: u8) -> Option<u32> {
    let value = u32::from(byte.wrapping_sub(b'0'));
    (value < 10).then_some(value)
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Reads eight bytes at once: where `shape` has a `0` a digit must stand, elsewhere the byte itself. Of two digits side
/// by side, their number stands at the place of the first.
#[inline]
fn pairs(text: &[u8; 8], shape: &[u8; 8]) -> Option<[u8; 8]> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let digits = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*shape);
    // 0x76 takes what is above 9 to the high bit. Where a byte's sum carries into the next, its own high bit is set.
    let above_nine = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & HIGH;
    let between = u64::from_le_bytes(shape.map(|byte| if byte == b'0' { 0 } else { 0xff }));
    if above_nine | (digits & between) != 0 {
        return None;
    }
    Some((digits * 10 + (digits >> 8)).to_le_bytes())
}

fn number(digits: Digits, text: &[u8]) -> Option<(u32, &[u8])> {
    match (digits, text) {
        (_, [tens, ones, rest @ ..]) if ones.is_ascii_digit() && (tens.is_ascii_digit()) => {
            Some((pair(*tens, *ones)?, rest))
        }
        (Digits::SpacePadded, [b' ', ones, rest @ ..]) => Some((digit(*ones)?, rest)),
        (Digits::OneOrTwo | Digits::SpacePadded, [ones, rest @ ..]) => Some((digit(*ones)?, rest)),
        _ => None,
    }
}

/// Three digits; 000 is no day, and would read as "no day of the year".
fn day_of_year(text: &[u8]) -> Option<(u32, &[u8])> {
    let ([hundreds, tens, ones], rest) = text.split_first_chunk::<3>()?;
    let day = digit(*hundreds)? * 100 + pair(*tens, *ones)?;
    (day > 0).then_some((day, rest))
}

fn month_name(name: Name, text: &[u8]) -> Option<(u32, &[u8])> {
    for (month, full) in (1..).zip(MONTHS) {
        let word = if name == Name::Short { &full[..3] } else { full };
        if let Some((start, rest)) = text.split_at_checked(word.len())
            && start.eq_ignore_ascii_case(word.as_bytes())
        {
            return Some((month, rest));
        }
    }
    None
}
