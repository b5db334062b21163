//! Turns numbers, sizes, times into the words that people read.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2 records`
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `512 B`, `166 MiB`, `1.5 GiB`: powers of 1024, three digits where there is a fraction to show.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    // 1023.5 would round up to 1024 of the smaller unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `548,000/s`: three significant digits, for a rate is never exact.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        return "–/s".to_owned();
    }
    if per_second < 10.0 {
        return format!("{per_second:.1}/s");
    }
    let magnitude = 10f64.powi((per_second.log10().floor() as i32 - 2).max(0));
    format!("{}/s", count(((per_second / magnitude).round() * magnitude) as u64))
}

/// `3 ms`, `1.8 s`, `2m 41s`, `3h 07m`, `2d 4h`
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        _ if seconds < 0.0995 => format!("{} ms", time.as_millis()),
        _ if seconds < 59.95 => format!("{seconds:.1} s"),
        whole if whole < 3_600 => format!("{}m {:02}s", whole / 60, whole % 60),
        whole if whole < 86_400 => format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60),
        whole => format!("{}d {}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// `1 s`, `59 s`, `2m 41s`: a time that is only guessed has no fractions.
pub fn whole_duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round().max(1.0);
    if seconds < 60.0 { format!("{seconds} s") } else { duration(Duration::from_secs(seconds as u64)) }
}

/// `0.04 %`, `12 %`: two significant digits; `0 %` is only said where it is exact.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    let value = part as f64 * 100.0 / whole as f64;
    match value {
        _ if value < 0.01 => "under 0.01 %".to_owned(),
        _ if value < 0.995 => format!("{value:.2} %"),
        _ if value < 9.95 => format!("{value:.1} %"),
        _ if value > 99.0 => "over 99 %".to_owned(),
        _ => format!("{value:.0} %"),
    }
}

/// `1 %`, `0.5 %`, `0.0001 %`: a threshold as it was written.
pub fn parts_per_million(parts: u32) -> String {
    let text = format!("{}.{:04}", parts / 10_000, parts % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `2026-11-24 06:53:23 CET`
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        let shown: Vec<_> = [0, 7, 999, 1_000, 69_152, 10_000_000].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "7", "999", "1,000", "69,152", "10,000,000"]);
    }

    #[test]
    fn sizes_use_powers_of_1024() {
        let shown: Vec<_> =
            [0, 1023, 1024, 1536, 1 << 20, 174_000_000, 10 << 30, u64::MAX].into_iter().map(bytes).collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "166 MiB", "10 GiB", "16 EiB"]);
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
    }

    #[test]
    fn rates_have_three_digits() {
        let shown: Vec<_> = [0.0, 3.25, 548_212.7, 1_234_567.0, f64::INFINITY].into_iter().map(rate).collect();
        assert_eq!(shown, ["0.0/s", "3.2/s", "548,000/s", "1,230,000/s", "–/s"]);
    }

    #[test]
    fn durations_take_the_largest_sensible_unit() {
        let shown: Vec<_> = [3, 99, 1_800, 59_940, 59_960, 161_000, 11_220_000, 187_200_000]
            .map(|millis| duration(Duration::from_millis(millis)))
            .to_vec();
        assert_eq!(shown, ["3 ms", "99 ms", "1.8 s", "59.9 s", "0m 59s", "2m 41s", "3h 07m", "2d 4h"]);
    }

    #[test]
    fn a_guessed_duration_has_no_fractions() {
        let shown: Vec<_> =
            [0, 1_400, 59_400, 59_600, 161_200].map(|m| whole_duration(Duration::from_millis(m))).to_vec();
        assert_eq!(shown, ["1 s", "1 s", "59 s", "1m 00s", "2m 41s"]);
    }

    #[test]
    fn a_share_is_nought_or_all_only_where_it_is_exact() {
        let shown: Vec<_> =
            [(0, 9), (9, 9), (412, 1_000_000), (1, 1_000_000_000), (3, 100), (1, 2), (999_999, 1_000_000)]
                .map(|(part, whole)| percent(part, whole))
                .to_vec();
        assert_eq!(shown, ["0 %", "100 %", "0.04 %", "under 0.01 %", "3.0 %", "50 %", "over 99 %"]);
    }

    #[test]
    fn a_threshold_reads_as_it_was_written() {
        let shown: Vec<_> = [10_000, 500_000, 5_000, 1, 1_000_000].map(parts_per_million).to_vec();
        assert_eq!(shown, ["1 %", "50 %", "0.5 %", "0.0001 %", "100 %"]);
    }

    #[test]
    fn times_carry_their_zone() {
        let at: Timestamp = "2026-11-24T05:53:23Z".parse().unwrap();
        assert_eq!(time(at, &TimeZone::UTC), "2026-11-24 05:53:23 UTC");
        assert_eq!(time(at, &TimeZone::get("Europe/Zurich").unwrap()), "2026-11-24 06:53:23 CET");
    }
}
