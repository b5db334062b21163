//! Turns a list of texts into a set that a cell is looked up in.

/// Up to this many texts a walk through them beats a search.
const FEW: usize = 16;

/// A set of texts, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextSet {
    /// The default of `missingValues`.
    EmptyText,
    /// All have seven bytes at most: each packed into one number with its length. Sorted.
    Short(Vec<u64>),
    /// Sorted.
    Long(Vec<Box<[u8]>>),
}

impl TextSet {
    pub(super) fn new<T: AsRef<str>>(texts: &[T]) -> Self {
        let texts = || texts.iter().map(|text| text.as_ref().as_bytes());
        if texts().eq([b"".as_slice()]) {
            return Self::EmptyText;
        }
        match texts().map(pack).collect::<Option<Vec<_>>>() {
            Some(mut packed) => {
                packed.sort_unstable();
                Self::Short(packed)
            }
            None => {
                let mut long: Vec<Box<[u8]>> = texts().map(Box::from).collect();
                long.sort_unstable();
                Self::Long(long)
            }
        }
    }

    #[inline]
    pub(super) fn contains(&self, text: &[u8]) -> bool {
        match self {
            Self::EmptyText => text.is_empty(),
            _ => self.lists(text),
        }
    }

    fn lists(&self, text: &[u8]) -> bool {
        match self {
            Self::EmptyText => text.is_empty(),
            Self::Short(packed) => pack(text).is_some_and(|text| {
                if packed.len() <= FEW { packed.contains(&text) } else { packed.binary_search(&text).is_ok() }
            }),
            Self::Long(texts) => texts.binary_search_by(|known| known.as_ref().cmp(text)).is_ok(),
        }
    }
}

/// Up to seven bytes, and their number in the eighth; `None` for more.
#[inline]
fn pack(text: &[u8]) -> Option<u64> {
    if text.len() > 7 {
        return None;
    }
    Some(text.iter().fold(text.len() as u64, |packed, byte| packed << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_differ_in_length_alone_are_told_apart() {
        let set = TextSet::new(&["\0", "a"]);
        assert!(set.contains(b"\0"));
        assert!(!set.contains(b""));
        assert!(!set.contains(b"\0\0"));
        assert!(!set.contains(b"a\0"));
        assert!(!set.contains(b"\0a"));
    }

    proptest! {
        #[test]
        fn it_holds_what_it_was_given_and_nothing_else(
            texts in prop::collection::vec("[ab\u{0}é]{0,9}", 0..40), other in "[ab\u{0}é]{0,9}",
        ) {
            let set = TextSet::new(&texts);
            for text in &texts {
                prop_assert!(set.contains(text.as_bytes()));
            }
            let texts: BTreeSet<_> = texts.iter().collect();
            prop_assert_eq!(set.contains(other.as_bytes()), texts.contains(&other));
        }
    }
}
