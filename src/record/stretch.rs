//! Turns a text of any bytes into stretches of it that are UTF-8, so that its cells need not be looked at one by one.

use simdutf8::compat::from_utf8;

/// What is looked at ahead: enough that looking costs little a cell, and it is still in the nearest cache when the cells
/// are read.
const AHEAD: usize = 16 << 10;

/// A part of a text that is UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'t> {
    start: usize,
    utf8: &'t str,
}

impl<'t> Stretch<'t> {
    pub(super) const EMPTY: Self = Self { start: 0, utf8: "" };

    /// The longest one at `start`, or as much of it as is looked at ahead.
    pub(super) fn of(text: &'t [u8], start: usize) -> Self {
        let ahead = &text[start..text.len().min(start + AHEAD)];
        let utf8 = from_utf8(ahead).or_else(|fault| from_utf8(&ahead[..fault.valid_up_to()]));
        Self { start, utf8: utf8.unwrap_or_default() }
    }

    /// Whether it goes on up to `end`.
    #[inline]
    pub(super) fn reaches(&self, end: usize) -> bool {
        end <= self.start + self.utf8.len()
    }

    /// Offsets of the text; `None` where they lie outside, or in the middle of a character.
    #[inline]
    pub(super) fn get(&self, start: usize, end: usize) -> Option<&'t str> {
        // What lies before the stretch wraps to far past its end.
        self.utf8.get(start.wrapping_sub(self.start)..end.wrapping_sub(self.start))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stretch_ends_before_what_is_not_utf8() {
        let stretch = Stretch::of(b"..a\xc3\xa9\xffb", 2);
        assert_eq!(stretch.get(2, 5), Some("a\u{e9}"));
        assert!(stretch.reaches(5) && !stretch.reaches(6));
        for (start, end) in [(0, 3), (2, 6), (4, 5), (2, 4), (6, 7), (4, 3), (3, 2)] {
            assert_eq!(stretch.get(start, end), None, "{start}..{end}");
        }
    }

    proptest! {
        #[test]
        fn what_it_gives_is_what_the_bytes_say(
            pieces in prop::collection::vec(prop_oneof!["[a|]{0,4}", "\u{e9}|\u{1f600}"], 0..8),
            bad in 0usize..40, from in 0usize..40, start in 0usize..40, end in 0usize..40,
        ) {
            let mut text = pieces.concat().into_bytes();
            if let Some(byte) = text.get_mut(bad) {
                *byte = 0xff;
            }
            let stretch = Stretch::of(&text, from.min(text.len()));
            if let Some(found) = stretch.get(start, end) {
                prop_assert_eq!(Some(found), text.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()));
            }
        }
    }

    #[test]
    fn a_long_text_is_looked_at_in_parts() {
        let text = "é".repeat(AHEAD).into_bytes();
        // An odd offset, so that the part ends in the middle of a character.
        let text = [b"x", &text[..]].concat();
        let stretch = Stretch::of(&text, 0);
        assert!(stretch.reaches(AHEAD - 1) && !stretch.reaches(AHEAD));
    }
}
