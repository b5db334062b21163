//! Turns the text of a number into an exact integer: `i64`, or the unscaled `i128` of a decimal.

/// The powers of ten that an `i128` holds.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Ten to the power of `n`, which is 38 at most.
pub(super) fn power_of_ten(n: u8) -> i128 {
    POWERS[usize::from(n)]
}

/// Reads a whole number: an optional `+` or `-`, then digits and nothing else. `None` where it is anything else or
/// does not fit 64 bits.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() {
        return None;
    }
    if digits.len() > 18 {
        return long_integer(negative, digits);
    }
    let mut magnitude = 0i64;
    for byte in digits {
        magnitude = magnitude * 10 + i64::from(digit(*byte)?);
    }
    Some(if negative { -magnitude } else { magnitude })
}

/// Past 18 digits a sum can leave 64 bits, so each step is checked. Summed below zero: that side reaches one further.
fn long_integer(negative: bool, digits: &[u8]) -> Option<i64> {
    let mut below = 0i64;
    for byte in digits {
        below = below.checked_mul(10)?.checked_sub(i64::from(digit(*byte)?))?;
    }
    if negative { Some(below) } else { below.checked_neg() }
}

/// A decimal's size, with its limits worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    scale: u8,
    /// Ten to the power of the precision: what the unscaled magnitude stays under.
    limit: i128,
}

impl Decimal {
    /// `precision` is 1 to 38, `scale` at most `precision`.
    pub(super) fn new(precision: u8, scale: u8) -> Self {
        Self { scale, limit: power_of_ten(precision) }
    }

    /// Reads a decimal exactly and gives it unscaled: `12.5` in a `decimal(12,2)` is 1250.
    ///
    /// As in XML Schema's `decimal`: an optional sign, digits, and at most one point with digits on at least one side
    /// of it (`12.` and `.5` are numbers, `.` is none); no exponent, no spaces, no grouping. Zeros that say nothing
    /// (before the first digit, after the last place of the scale) are passed over; a digit that the scale or the
    /// precision has no place for makes it `None`: nothing is rounded.
    pub(super) fn read(&self, text: &[u8]) -> Option<i128> {
        let (negative, digits) = sign(text);
        // 19 digits stay under 2^64, and most money has fewer.
        let magnitude = if digits.len() <= 19 { self.short(digits)? } else { self.long(digits)? };
        if magnitude >= self.limit {
            return None;
        }
        Some(if negative { -magnitude } else { magnitude })
    }

    /// The same of an integer with `scale` of its digits after the point.
    pub(super) fn fit(&self, unscaled: i128, scale: usize) -> Option<i128> {
        let own = usize::from(self.scale);
        let value = if scale <= own {
            unscaled.checked_mul(POWERS[own - scale])?
        } else {
            match POWERS.get(scale - own) {
                Some(power) if unscaled % power == 0 => unscaled / power,
                None if unscaled == 0 => 0,
                _ => return None,
            }
        };
        (value.unsigned_abs() < self.limit.unsigned_abs()).then_some(value)
    }

    fn short(&self, digits: &[u8]) -> Option<i128> {
        let mut magnitude = 0u64;
        let mut read = 0usize;
        for byte in digits {
            let Some(value) = digit(*byte) else { break };
            magnitude = magnitude * 10 + u64::from(value);
            read += 1;
        }
        let whole = read;
        let mut places = 0u8;
        if let Some((point, fraction)) = digits[whole..].split_first() {
            if *point != b'.' {
                return None;
            }
            for byte in fraction {
                let value = digit(*byte)?;
                read += 1;
                if places < self.scale {
                    magnitude = magnitude * 10 + u64::from(value);
                    places += 1;
                } else if value != 0 {
                    return None;
                }
            }
        }
        (read > 0).then_some(())?;
        match POWERS[usize::from(self.scale - places)] {
            1 => Some(i128::from(magnitude)),
            power => i128::from(magnitude).checked_mul(power),
        }
    }

    fn long(&self, digits: &[u8]) -> Option<i128> {
        let point = memchr::memchr(b'.', digits).unwrap_or(digits.len());
        let (whole, rest) = digits.split_at(point);
        let fraction = rest.get(1..).unwrap_or_default();
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let kept = fraction.len().min(usize::from(self.scale));
        let mut magnitude = 0i128;
        for byte in whole.iter().chain(&fraction[..kept]) {
            magnitude = magnitude.checked_mul(10)?.checked_add(i128::from(digit(*byte)?))?;
        }
        if fraction[kept..].iter().any(|byte| *byte != b'0') {
            return None;
        }
        magnitude.checked_mul(POWERS[usize::from(self.scale) - kept])
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    }
}

fn digit(byte: u8) -> Option<u8> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_reach_both_ends_of_64_bits_and_stop_there() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("+7", Some(7)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("00000000000000000000000000001", Some(1)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("", None),
            ("-", None),
            ("+-1", None),
            (" 1", None),
            ("1 ", None),
            ("1.0", None),
            ("1e3", None),
            ("١", None),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        let money = Decimal::new(12, 2);
        for (text, value) in [
            ("12.50", Some(1250)),
            ("12.5", Some(1250)),
            ("12.", Some(1200)),
            (".5", Some(50)),
            ("12", Some(1200)),
            ("-0.01", Some(-1)),
            ("+0", Some(0)),
            ("12.500000000000000000000000", Some(1250)),
            ("000000000000000000000000012.50", Some(1250)),
            ("9999999999.99", Some(999_999_999_999)),
            ("10000000000", None),
            ("10000000000.00", None),
            ("12.505", None),
            ("12.500000000000000000000001", None),
            ("", None),
            (".", None),
            ("-", None),
            ("-.", None),
            ("1,000.00", None),
            ("1.2.3", None),
            ("1e2", None),
            (" 1", None),
            ("0000000000000000000000.0.0", None),
            ("0000000000000000000000x", None),
        ] {
            assert_eq!(money.read(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn a_decimal_holds_38_digits() {
        let nines = "9".repeat(38);
        assert_eq!(Decimal::new(38, 0).read(nines.as_bytes()), Some(power_of_ten(38) - 1));
        assert_eq!(Decimal::new(38, 38).read(format!("-0.{nines}").as_bytes()), Some(1 - power_of_ten(38)));
        assert_eq!(Decimal::new(38, 0).read(format!("1{}", "0".repeat(38)).as_bytes()), None);
        assert_eq!(Decimal::new(38, 38).read(b"1"), None);
        assert_eq!(Decimal::new(38, 37).read(b"9999999999999999999"), None);
    }

    #[test]
    fn a_decimal_of_another_scale_fits_where_no_digit_is_lost() {
        let money = Decimal::new(12, 2);
        for (unscaled, scale, value) in [
            (125, 1, Some(1250)),
            (-125_000, 4, Some(-1250)),
            (125_001, 4, None),
            (7, 0, Some(700)),
            (9_999_999_999, 0, Some(999_999_999_900)),
            (10_000_000_000, 0, None),
            (0, 99, Some(0)),
            (1, 99, None),
            (i128::MAX, 0, None),
            (i128::MIN, 2, None),
        ] {
            assert_eq!(money.fit(unscaled, scale), value, "{unscaled}e-{scale}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_reads_as_it_was_written(value: i64) {
            prop_assert_eq!(integer(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn integers_agree_with_the_standard_library(text in "[+-]?[0-9]{0,21}") {
            prop_assert_eq!(integer(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn a_decimal_reads_as_it_was_written(
            unscaled in -(power_of_ten(38) - 1)..power_of_ten(38), scale in 0u8..=38, zeros in 0usize..30,
        ) {
            let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if unscaled < 0 { "-" } else { "" };
            let text = format!("{sign}{whole}.{fraction}{}", "0".repeat(zeros));
            prop_assert_eq!(Decimal::new(38, scale).read(text.as_bytes()), Some(unscaled));
        }

        #[test]
        fn the_short_way_and_the_long_way_agree(text in "[0-9]{0,12}[.]?[0-9]{0,7}", scale in 0u8..=8) {
            let decimal = Decimal::new(16, scale);
            let long = format!("{}{text}", "0".repeat(20));
            if text != "." && !text.is_empty() {
                prop_assert_eq!(decimal.read(text.as_bytes()), decimal.read(long.as_bytes()));
            }
        }
    }
}
