//! Turns a date format (strptime words) into a program of steps, and text into days and microseconds with it.
//!
//! | word | reads |
//! |---|---|
//! | `%Y` | year, four digits, 0001 to 9999 |
//! | `%y` | year, two digits: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (POSIX) |
//! | `%m` `%d` | month, day of month, two digits; `%-m` `%-d`: one or two |
//! | `%e` | day of month, one or two digits, or a space and one |
//! | `%j` | day of the year, three digits |
//! | `%b` `%h` `%B` | month's English name: the first three letters; in full (any case) |
//! | `%H` `%M` `%S` | hour 00 to 23, minute, second 00 to 59, two digits; `%-H`: one or two |
//! | `%I` `%p` | hour 01 to 12, two digits (`%-I`: one or two), and AM or PM (any case) |
//! | `%f` | fraction of a second, one to nine digits |
//! | `%.f` | the same with its point, or nothing at all |
//! | `%z` `%:z` | offset from UTC as `+hhmm`, as `+hh:mm`, under 16 hours as in Postgres; or `Z` |
//! | `%F` `%T` `%R` `%D` | `%Y-%m-%d`, `%H:%M:%S`, `%H:%M`, `%m/%d/%y` |
//! | `%%` | a percent sign |
//!
//! Everything else stands for itself, and the text must end where the format does. 24:00 and a leap second's 60 are
//! refused: Postgres would quietly make them another time. Of a fraction's digits those past the sixth are dropped:
//! Postgres keeps microseconds. Without a time of day, it is midnight.

mod compile;
mod read;

pub use compile::FormatError;

use compile::Step;

/// A compiled format of dates or timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    steps: Vec<Step>,
    time: TimeOfDay,
    offset: Offset,
}

/// Whether a format reads a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOfDay {
    Read,
    Midnight,
}

/// Whether a format reads an offset from UTC; without one a timestamp needs a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    Read,
    Unknown,
}

/// What a text says, before a zone is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970-01-01.
    pub days: i32,
    /// Since midnight.
    pub micros: i64,
    /// East of UTC; 0 where the format reads none.
    pub offset_seconds: i32,
}

impl Format {
    /// Compiles `format`. It must name a whole date, and nothing twice.
    pub fn compile(format: &str) -> Result<Self, FormatError> {
        compile::compile(format)
    }

    pub fn time_of_day(&self) -> TimeOfDay {
        self.time
    }

    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Reads the whole of `text`; `None` where it does not fit the format or is no day or time that exists.
    pub(super) fn read(&self, text: &[u8]) -> Option<Moment> {
        read::read(&self.steps, text)
    }
}

#[cfg(test)]
mod tests;
