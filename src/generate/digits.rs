//! Numbers into text, appended: what `format!` does at a tenth of its cost.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `value` with leading zeros to `WIDTH` digits. Digits above that are cut off.
pub(super) fn padded<const WIDTH: usize>(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [b'0'; WIDTH];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&text);
}

/// `value` without leading zeros.
pub(super) fn plain(out: &mut Vec<u8>, mut value: u64) {
    // u64::MAX has 20 digits.
    let mut text = [0_u8; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Hundredths as `12.50`.
pub(super) fn cents(out: &mut Vec<u8>, value: u64) {
    plain(out, value / 100);
    out.push(b'.');
    padded::<2>(out, value % 100);
}

/// 16 lower-case hex digits.
pub(super) fn hex(out: &mut Vec<u8>, value: u64) {
    let mut text = [0_u8; 16];
    for (i, digit) in text.iter_mut().enumerate() {
        *digit = HEX[(value >> (60 - 4 * i)) as usize & 0xf];
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(value: u64) {
            prop_assert_eq!(text(|out| plain(out, value)), value.to_string());
            prop_assert_eq!(text(|out| padded::<20>(out, value)), format!("{value:020}"));
            prop_assert_eq!(text(|out| hex(out, value)), format!("{value:016x}"));
            prop_assert_eq!(text(|out| cents(out, value)), format!("{}.{:02}", value / 100, value % 100));
        }
    }
}
