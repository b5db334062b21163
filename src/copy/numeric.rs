//! A decimal as Postgres receives a `numeric`.
//!
//! `numeric_recv` in PostgreSQL's src/backend/utils/adt/numeric.c: four 16-bit numbers (how many digits, the weight of
//! the first, the sign, the places to show after the point), then the digits in base 10,000. The point stands after
//! the digit of weight 0, so digits after the point come in whole groups of four places.

const BASE: u128 = 10_000;
const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0x0000;

/// 38 digits make at most 11 groups, wherever the point cuts them.
const MOST_GROUPS: usize = 11;

/// Bytes before the digits: the column's length and the four numbers.
const HEAD: usize = 4 + 8;

/// Appends the column `unscaled / 10^scale`, its length first. The magnitude is below 10^38.
pub(super) fn encode(buffer: &mut Vec<u8>, unscaled: i128, scale: u8) {
    let mut groups = Groups::default();
    groups.take(unscaled.unsigned_abs(), scale);
    let after_point = i16::from(scale.div_ceil(4));
    let kept = groups.kept();
    // All of `count` stand before the point or after it, whether or not they are kept.
    let weight = if kept.is_empty() { 0 } else { groups.count as i16 - after_point - 1 };
    let sign = if unscaled < 0 { NEGATIVE } else { POSITIVE };

    let mut column = [0; HEAD + 2 * MOST_GROUPS];
    let size = HEAD + 2 * kept.len();
    column[..4].copy_from_slice(&((size - 4) as i32).to_be_bytes());
    column[4..6].copy_from_slice(&(kept.len() as i16).to_be_bytes());
    column[6..8].copy_from_slice(&weight.to_be_bytes());
    column[8..10].copy_from_slice(&sign.to_be_bytes());
    column[10..12].copy_from_slice(&u16::from(scale).to_be_bytes());
    for (place, group) in column[HEAD..size].chunks_exact_mut(2).zip(kept.iter().rev()) {
        place.copy_from_slice(&group.to_be_bytes());
    }
    buffer.extend_from_slice(&column[..size]);
}

/// Digits in base 10,000, the least significant first.
#[derive(Default)]
struct Groups {
    groups: [u16; MOST_GROUPS],
    count: usize,
}

impl Groups {
    fn take(&mut self, magnitude: u128, scale: u8) {
        // The last group after the point may have fewer than four places of the scale: zeros fill it up.
        let power = [1, 10, 100, 1000][usize::from(scale % 4)];
        let mut wide = magnitude;
        if power > 1 && wide > 0 {
            self.push((wide % power * (BASE / power)) as u16);
            wide /= power;
        }
        while wide > u128::from(u64::MAX) {
            self.push((wide % BASE) as u16);
            wide /= BASE;
        }
        // Division of 64 bits costs a tenth, and nearly every amount fits.
        let mut narrow = wide as u64;
        while narrow > 0 {
            self.push((narrow % BASE as u64) as u16);
            narrow /= BASE as u64;
        }
    }

    fn push(&mut self, group: u16) {
        self.groups[self.count] = group;
        self.count += 1;
    }

    /// Without the zeros at the end of the number, which Postgres does not store.
    fn kept(&self) -> &[u16] {
        let groups = &self.groups[..self.count];
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        &groups[zeros..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Postgres prints for a `numeric` that it received.
    fn decode(column: &[u8]) -> String {
        let number = |at: usize| i16::from_be_bytes([column[at], column[at + 1]]);
        assert_eq!(i32::from_be_bytes(column[..4].try_into().unwrap()) as usize, column.len() - 4);
        let (count, weight, places) = (number(4), number(6), number(10) as usize);
        let sign = if number(8) as u16 == NEGATIVE { "-" } else { "" };
        assert_eq!(column.len(), HEAD + 2 * count as usize);
        let digit = |group: i16| {
            if (0..count).contains(&group) { number(HEAD + 2 * group as usize) } else { 0 }
        };
        let group = |at: i16| format!("{:04}", digit(at));
        let whole: String = (0..=weight.max(0)).map(|at| group(at + weight.min(0))).collect();
        let fraction: String = (weight + 1..weight + 1 + places.div_ceil(4) as i16).map(group).collect();
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let point = if places > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{}", &fraction[..places])
    }

    fn encoded(unscaled: i128, scale: u8) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(&mut buffer, unscaled, scale);
        buffer
    }

    #[test]
    fn digits_are_laid_out_as_postgres_sends_them() {
        // `select numeric_send(…)` in PostgreSQL gives these bytes after the length.
        for (unscaled, scale, bytes) in [
            (0, 2, "0000 0000 0000 0002"),
            (1, 0, "0001 0000 0000 0000 0001"),
            (1250, 2, "0002 0000 0000 0002 000c 1388"),
            (-1250, 2, "0002 0000 4000 0002 000c 1388"),
            (100_000_000, 0, "0001 0002 0000 0000 0001"),
            (100_000_000, 2, "0001 0001 0000 0002 0064"),
            (1, 5, "0001 fffe 0000 0005 03e8"),
            (123_456_789, 4, "0003 0001 0000 0004 0001 0929 1a85"),
        ] {
            let hex: String = encoded(unscaled, scale)[4..].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, bytes.replace(' ', ""), "{unscaled} / 10^{scale}");
        }
    }

    #[test]
    fn the_longest_decimals_fit() {
        let most = 10i128.pow(38) - 1;
        for scale in 0..=38 {
            for unscaled in [most, -most, 10i128.pow(37), 1, -1] {
                assert_eq!(decode(&encoded(unscaled, scale)), written(unscaled, scale));
            }
        }
    }

    fn written(unscaled: i128, scale: u8) -> String {
        let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        let sign = if unscaled < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{fraction}")
    }

    proptest! {
        #[test]
        fn every_decimal_comes_back(
            unscaled in -(10i128.pow(38) - 1)..10i128.pow(38), shift in 0u32..38, scale in 0u8..=38,
        ) {
            let unscaled = unscaled / 10i128.pow(shift);
            let column = encoded(unscaled, scale);
            prop_assert_eq!(decode(&column), written(unscaled, scale));
            // No zeros at either end of the digits.
            let digits = &column[HEAD..];
            prop_assert!(digits.is_empty() || (digits[..2] != [0, 0] && digits[digits.len() - 2..] != [0, 0]));
        }
    }
}
