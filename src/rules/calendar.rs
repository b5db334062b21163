//! Turns a civil date into a count of days, and refuses dates that no calendar has.

/// Days in each month of a common year.
const MONTH_LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `None` where there is no such day. Years 1 to 9999:
/// what four digits write and Postgres prints without an era.
pub(super) fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    let exists = (1..=9999).contains(&year) && day >= 1 && day <= month_length(year, month)?;
    exists.then(|| days_from_civil(year, month, day))
}

/// Days since 1970-01-01 of the `day`th day of a year, from 1.
pub(super) fn days_of_year(year: i32, day: u32) -> Option<i32> {
    let length = if is_leap(year) { 366 } else { 365 };
    let exists = (1..=9999).contains(&year) && (1..=length).contains(&day);
    exists.then(|| days_from_civil(year, 1, 1) + day as i32 - 1)
}

/// Whether a count of days since 1970-01-01 lies in the years 1 to 9999.
pub(super) fn is_day(days: i64) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&days)
}

/// 0001-01-01 and 9999-12-31.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;

fn month_length(year: i32, month: u32) -> Option<u32> {
    if month == 2 && is_leap(year) {
        return Some(29);
    }
    MONTH_LENGTHS.get(month.wrapping_sub(1) as usize).copied()
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `days_from_civil` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so that the leap day ends one.
fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400) as u32;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    era * 146_097 + day_of_era as i32 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_agree_with_jiff_on_every_day_of_ten_thousand_years() {
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut expected = (jiff::civil::date(1, 1, 1) - epoch).get_days();
        let mut date = jiff::civil::date(1, 1, 1);
        loop {
            let (year, month, day) = (i32::from(date.year()), date.month() as u32, date.day() as u32);
            assert_eq!(days(year, month, day), Some(expected), "{date}");
            assert_eq!(days_of_year(year, date.day_of_year() as u32), Some(expected), "{date}");
            let Ok(next) = date.tomorrow() else { break };
            date = next;
            expected += 1;
        }
        assert_eq!((days(1, 1, 1), days(9999, 12, 31)), (Some(FIRST_DAY as i32), Some(LAST_DAY as i32)));
        assert!(is_day(FIRST_DAY) && is_day(LAST_DAY) && !is_day(FIRST_DAY - 1) && !is_day(LAST_DAY + 1));
        assert_eq!(date, jiff::civil::date(9999, 12, 31));
    }

    #[test]
    fn days_that_no_calendar_has_are_refused() {
        for (year, month, day) in [
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 2, 30),
            (2024, 4, 31),
            (2024, 1, 32),
            (2024, 1, 0),
            (2024, 0, 1),
            (2024, 13, 1),
            (0, 1, 1),
            (10_000, 1, 1),
        ] {
            assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(days_of_year(2023, 366), None);
        assert_eq!(days_of_year(2023, 0), None);
        assert!(days_of_year(2024, 366).is_some());
    }
}
