//! Turns `15s` and `32MiB` into values, and back.

use std::time::Duration;

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `32MiB`, `4096`, `1.5 GiB`: powers of 1024, a bare number is bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let factor = if unit.is_empty() { 1 } else { SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1 };
    scale(number, factor)
}

/// `500ms`, `15s`, `2m`, `1h`, `30d`, `1.5s`. A bare number says no unit, so it is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text);
    let factor = TIMES.iter().find(|(name, _)| *name == unit)?.1;
    scale(number, factor).map(Duration::from_millis)
}

/// The largest unit that divides: what [`parse_size`] reads back.
pub fn size(bytes: u64) -> String {
    let (unit, factor) =
        SIZES.into_iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)).unwrap_or(("B", 1));
    if factor == 1 { bytes.to_string() } else { format!("{}{unit}", bytes / factor) }
}

/// The largest unit that divides: what [`parse_duration`] reads back. Whole milliseconds.
pub fn duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let (unit, factor) =
        TIMES.into_iter().rev().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor)).unwrap_or(("ms", 1));
    format!("{}{unit}", millis / factor)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `number` may have a fraction; the product must be whole.
fn scale(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let product = number.parse::<f64>().ok()? * factor as f64;
    // 2^53: past it a float no longer holds every whole number.
    (product.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&product)).then_some(product as u64)
}
