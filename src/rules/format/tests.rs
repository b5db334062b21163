//! Claims about date formats, held against `jiff`.

use proptest::prelude::*;

use super::*;

fn days(format: &str, text: &str) -> Option<i32> {
    Format::compile(format).unwrap().read(text.as_bytes()).map(|moment| moment.days)
}

fn utc_micros(format: &str, text: &str) -> Option<i64> {
    let moment = Format::compile(format).unwrap().read(text.as_bytes())?;
    let seconds = i64::from(moment.days) * 86_400 - i64::from(moment.offset_seconds);
    Some(seconds * 1_000_000 + moment.micros)
}

/// 2024-02-29.
const LEAP_DAY: i32 = 19_782;

#[test]
fn every_way_to_write_a_date_reads_the_same_day() {
    for (format, text) in [
        ("%Y-%m-%d", "2024-02-29"),
        ("%F", "2024-02-29"),
        ("%Y%m%d", "20240229"),
        ("%d.%m.%y", "29.02.24"),
        ("%D", "02/29/24"),
        ("%-m/%-d/%Y", "2/29/2024"),
        ("%-m/%-d/%Y", "02/29/2024"),
        ("%Y-%j", "2024-060"),
        ("%d%b%Y", "29FEB2024"),
        ("%B %d, %Y", "february 29, 2024"),
        ("%e %b %Y", "29 Feb 2024"),
        ("100%% %F é", "100% 2024-02-29 é"),
    ] {
        assert_eq!(days(format, text), Some(LEAP_DAY), "{format} {text}");
    }
}

#[test]
fn a_day_may_be_padded_with_a_space_only_where_the_format_says_so() {
    for text in [" 1 Mar 2024", "1 Mar 2024", "01 Mar 2024"] {
        assert_eq!(days("%e %b %Y", text), Some(LEAP_DAY + 1), "{text}");
    }
    assert_eq!(days("%d %b %Y", " 1 Mar 2024"), None);
    assert_eq!(days("%d %b %Y", "1 Mar 2024"), None);
}

#[test]
fn text_that_is_no_date_is_refused() {
    for text in ["", "2024-02-30", "2023-02-29", "2024-2-29", "2024-02-29 ", " 2024-02-29", "2024-02-2x", "0000-01-01"]
    {
        assert_eq!(days("%Y-%m-%d", text), None, "{text:?}");
    }
    assert_eq!(days("%Y-%j", "2024-000"), None);
    assert_eq!(days("%Y-%j", "2023-366"), None);
    assert_eq!(days("%d %b %Y", "01 Mai 2024"), None);
}

#[test]
fn times_that_no_clock_shows_are_refused() {
    let format = "%Y-%m-%dT%H:%M:%S%:z";
    assert_eq!(utc_micros(format, "1970-01-01T23:59:59+00:00"), Some(86_399_000_000));
    for time in ["24:00:00", "23:60:00", "23:59:60", "3:59:00", "23:59"] {
        assert_eq!(utc_micros(format, &format!("1970-01-01T{time}+00:00")), None, "{time}");
    }
}

#[test]
fn twelve_hour_clocks_know_noon_and_midnight() {
    for (text, hour) in [("12 AM", 0), ("01 am", 1), ("12 pm", 12), ("11 PM", 23)] {
        assert_eq!(utc_micros("%F %I %p", &format!("1970-01-01 {text}")), Some(hour * 3_600_000_000), "{text}");
    }
    for text in ["13 PM", "00 AM", "12 XM", "1 PM"] {
        assert_eq!(utc_micros("%F %I %p", &format!("1970-01-01 {text}")), None, "{text}");
    }
    assert_eq!(utc_micros("%F %-I:%M %p", "1970-01-01 1:30 PM"), Some(48_600_000_000));
}

#[test]
fn fractions_keep_microseconds() {
    for (text, micros) in [(".5", 500_000), (".000001", 1), (".123456789", 123_456), ("", 0)] {
        assert_eq!(utc_micros("%F %T%.f", &format!("1970-01-01 00:00:00{text}")), Some(micros), "{text}");
    }
    for text in [".", ".1234567890", ",5"] {
        assert_eq!(utc_micros("%F %T%.f", &format!("1970-01-01 00:00:00{text}")), None, "{text}");
    }
    assert_eq!(utc_micros("%Y%m%d%H%M%S%f", "19700101000000250"), Some(250_000));
}

#[test]
fn offsets_move_a_time_to_utc() {
    for (format, text, hours) in [
        ("%F %T%z", "1970-01-01 00:00:00-0500", 5.0),
        ("%F %T%:z", "1970-01-01 00:00:00+05:30", -5.5),
        ("%F %T%z", "1970-01-01 00:00:00Z", 0.0),
        ("%F %T%:z", "1970-01-01 00:00:00Z", 0.0),
        ("%F %T %:z", "1970-01-01 00:00:00 -15:59", 15.0 + 59.0 / 60.0),
    ] {
        assert_eq!(utc_micros(format, text), Some((hours * 3.6e9) as i64), "{text}");
    }
    for text in ["+16:00", "+05:60", "+0500", "+5:00", "05:00", "z", ""] {
        assert_eq!(utc_micros("%F %T%:z", &format!("1970-01-01 00:00:00{text}")), None, "{text}");
    }
}

#[test]
fn a_format_that_says_too_little_or_too_much_is_refused() {
    let refused = |format| Format::compile(format).unwrap_err();
    assert_eq!(refused("%Y-%m-%Q"), FormatError::UnknownWord("%Q".into()));
    assert_eq!(refused("%Y-%:m"), FormatError::UnknownWord("%:m".into()));
    assert_eq!(refused("%Y-%é"), FormatError::UnknownWord("%é".into()));
    assert_eq!(refused("%Y-%m-%"), FormatError::Unfinished);
    assert_eq!(refused("%Y %y %m %d"), FormatError::Twice("year"));
    assert_eq!(refused("%F %d"), FormatError::Twice("day"));
    for format in ["", "%Y-%m", "%m-%d", "%Y %j %d", "%H:%M"] {
        assert_eq!(refused(format), FormatError::NoDate, "{format}");
    }
    for format in ["%F %I", "%F %p", "%F %H %p", "%F %M", "%F %H:%S", "%F %H:%M%.f", "%F %z"] {
        assert!(matches!(refused(format), FormatError::Clock(_)), "{format}");
    }
}

#[test]
fn a_format_says_what_it_reads() {
    let format = Format::compile("%Y-%m-%dT%H:%M:%S%:z").unwrap();
    assert_eq!((format.time_of_day(), format.offset()), (TimeOfDay::Read, Offset::Read));
    let format = Format::compile("%Y%m%d").unwrap();
    assert_eq!((format.time_of_day(), format.offset()), (TimeOfDay::Midnight, Offset::Unknown));
}

proptest! {
    /// jiff writes what we read back, for each of the common formats.
    #[test]
    fn what_jiff_writes_reads_back(
        micros in -62_135_596_800_000_000i64 + 86_400_000_000..253_402_207_200_000_000i64 - 86_400_000_000,
        offset_minutes in -900i32..=900,
        format in prop::sample::select(vec![
            "%Y-%m-%dT%H:%M:%S%.f%:z", "%Y%m%d%H%M%S.%6f%z", "%d-%b-%Y %I:%M:%S%.f %p %z", "%B %e, %Y %T%.f %:z",
            "%F %T%.f%:z", "%Y/%j %H.%M.%S%.f %z",
        ]),
    ) {
        let offset = jiff::tz::Offset::from_seconds(offset_minutes * 60).unwrap();
        let zoned = jiff::Timestamp::from_microsecond(micros).unwrap().to_zoned_datetime(jiff::tz::TimeZone::fixed(offset));
        let text = zoned.strftime(format).to_string();
        // The width is jiff's way to write all six digits.
        prop_assert_eq!(utc_micros(&format.replace("%6f", "%f"), &text), Some(micros), "{}", text);
    }

    /// Dates and times that are read eight bytes at once, held against the same step by step.
    #[test]
    fn one_step_reads_what_its_five_read(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
        places in prop::collection::vec((0usize..19, any::<u8>()), 0..3),
    ) {
        use compile::Digits::Two;
        let steps = [
            Step::Year, Step::Literal(b'-'), Step::Month(Two), Step::Literal(b'-'), Step::Day(Two), Step::Literal(b'T'),
            Step::Hour(Two), Step::Literal(b':'), Step::Minute, Step::Literal(b':'), Step::Second,
        ];
        let mut text = text.into_bytes();
        for (at, byte) in places {
            text[at] = byte;
        }
        let format = Format::compile("%Y-%m-%dT%H:%M:%S").unwrap();
        prop_assert_eq!(format.read(&text), read::read(&steps, &text), "{:?}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for format in ["%F %T%.f%:z", "%-d %B %y %-I%p", "%Y%j%H%M%S%f%z", "%e%b%Y"] {
            let format = Format::compile(format).unwrap();
            let _ = (format.read(text.as_bytes()), format.read(&bytes));
        }
    }
}
