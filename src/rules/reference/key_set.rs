//! Keys → an immutable set of them in two blocks of memory, in which a key is looked up in some tens of nanoseconds.
//!
//! One block holds the keys, each after its length. The other is a hash table with open addressing (linear probing)
//! of 64-bit slots: half a slot is a part of the key's hash, the other half its place in the first block. A lookup
//! touches one line of memory in the table and, where the parts of the hashes agree, one in the keys.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::FixedState;

/// Bytes of a key at most: Postgres indexes no more than 2,704 (a third of a page).
pub const LONGEST_KEY: usize = 1_024;

/// Places are 32 bits, and no place is the last: a slot holds its place and 1.
const MOST_BYTES: usize = u32::MAX as usize - 1;

/// Slots per key: at half of them in use a lookup sees 1.5 slots where it finds, 2.5 where it does not, on average
/// (Knuth, "The Art of Computer Programming", volume 3, section 6.4, linear probing).
const SLOTS_PER_KEY: usize = 2;

const LENGTH_BYTES: usize = size_of::<u16>();

/// Any number: the set is not written anywhere, and who makes sets is trusted.
const SEED: u64 = 0x6661_6272_6963;

/// An immutable set of keys, compared byte by byte.
pub struct KeySet {
    keys: usize,
    /// Of each key: its length (16 bits, little-endian), then its bytes.
    bytes: Box<[u8]>,
    /// 0: free. Else the low half of the key's hash in the upper half, its place in `bytes` and 1 in the lower.
    slots: Box<[u64]>,
    state: FixedState,
}

/// Keys for a set that is not whole yet.
#[derive(Default)]
pub struct KeySetBuilder {
    keys: usize,
    bytes: Vec<u8>,
}

/// The keys do not fit one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    #[error("a key has {0} bytes; {LONGEST_KEY} is the most")]
    LongKey(usize),
    #[error("the keys are more than 4 GiB")]
    TooMuch,
}

impl KeySetBuilder {
    /// Makes room for `keys` keys of `bytes` bytes in all, so that nothing has to be moved.
    pub fn with_room(keys: usize, bytes: usize) -> Self {
        Self { keys: 0, bytes: Vec::with_capacity(bytes + keys * LENGTH_BYTES) }
    }

    /// Whether a key of `more` bytes fits a set of `keys` keys that have `bytes` bytes.
    pub(super) const fn room(keys: usize, bytes: usize, more: usize) -> bool {
        bytes + more + (keys + 1) * LENGTH_BYTES <= MOST_BYTES
    }

    /// A key that was added before is in the set once.
    pub fn push(&mut self, key: &[u8]) -> Result<(), KeySetFault> {
        if key.len() > LONGEST_KEY {
            return Err(KeySetFault::LongKey(key.len()));
        }
        if !Self::room(self.keys, self.bytes.len() - self.keys * LENGTH_BYTES, key.len()) {
            return Err(KeySetFault::TooMuch);
        }
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.keys += 1;
        Ok(())
    }

    pub fn finish(self) -> KeySet {
        let mut set = KeySet {
            keys: 0,
            bytes: self.bytes.into_boxed_slice(),
            slots: vec![0; self.keys * SLOTS_PER_KEY].into_boxed_slice(),
            state: FixedState::with_seed(SEED),
        };
        let mut place = 0;
        while place < set.bytes.len() {
            let key = key_at(&set.bytes, place);
            let (slot, tag) = set.home(key);
            let next = place + LENGTH_BYTES + key.len();
            if let Err(free) = set.find(key, slot, tag) {
                set.slots[free] = u64::from(tag) << 32 | (place as u64 + 1);
                set.keys += 1;
            }
            place = next;
        }
        set
    }
}

impl KeySet {
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        if self.keys == 0 {
            return false;
        }
        let (slot, tag) = self.home(key);
        self.find(key, slot, tag).is_ok()
    }

    pub fn len(&self) -> usize {
        self.keys
    }

    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// That it takes in memory.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val(&*self.slots)
    }

    /// The slot at which the search for a key begins, and its tag: both halves of one hash. There are slots.
    #[inline]
    fn home(&self, key: &[u8]) -> (usize, u32) {
        let mut hasher = self.state.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        // Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019): a product instead of a
        // remainder; there are fewer than 2^32 slots for each 2^32 bytes of keys.
        let slot = ((hash >> 32) * self.slots.len() as u64) >> 32;
        (slot as usize, hash as u32)
    }

    /// The slot that holds `key`, or the free one at which the search for it ends. At least half of the slots are free.
    #[inline]
    fn find(&self, key: &[u8], mut slot: usize, tag: u32) -> Result<usize, usize> {
        loop {
            let held = self.slots[slot];
            if held == 0 {
                return Err(slot);
            }
            if (held >> 32) as u32 == tag && key_at(&self.bytes, held as u32 as usize - 1) == key {
                return Ok(slot);
            }
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
    }
}

#[inline]
fn key_at(bytes: &[u8], place: usize) -> &[u8] {
    let start = place + LENGTH_BYTES;
    let length = u16::from_le_bytes([bytes[place], bytes[place + 1]]);
    &bytes[start..start + usize::from(length)]
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySet of {} keys", self.keys)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn set<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> KeySet {
        let mut builder = KeySetBuilder::default();
        for key in keys {
            builder.push(key.as_ref()).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn an_empty_set_holds_nothing_and_an_empty_key_is_a_key() {
        let empty = set([""; 0]);
        assert!(empty.is_empty() && !empty.contains(b"") && !empty.contains(b"a"));
        let one = set([""]);
        assert!(one.contains(b"") && !one.contains(b"\0"));
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn a_short_key_takes_less_than_64_bytes() {
        let keys = 100_000;
        let set = set((0..keys).map(|n| format!("BR{n:06}")));
        assert_eq!(set.len(), keys);
        let each = set.held_bytes() / keys;
        assert!(each < 32, "{each} bytes");
    }

    #[test]
    fn keys_that_count_up_are_found_and_their_neighbours_are_not() {
        let set = set((0..50_000).step_by(2).map(|n: u32| n.to_string()));
        for n in 0..50_000u32 {
            assert_eq!(set.contains(n.to_string().as_bytes()), n % 2 == 0, "{n}");
        }
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        let mut builder = KeySetBuilder::default();
        assert_eq!(builder.push(&[b'x'; LONGEST_KEY]), Ok(()));
        assert_eq!(builder.push(&[b'x'; LONGEST_KEY + 1]), Err(KeySetFault::LongKey(LONGEST_KEY + 1)));
        assert!(builder.finish().contains(&[b'x'; LONGEST_KEY]));
    }

    proptest! {
        #[test]
        fn it_answers_as_a_plain_set_does(
            keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..300),
            asked in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..300),
        ) {
            let plain: HashSet<&Vec<u8>> = keys.iter().collect();
            let compact = set(&keys);
            prop_assert_eq!(compact.len(), plain.len());
            for key in keys.iter().chain(&asked) {
                prop_assert_eq!(compact.contains(key), plain.contains(key));
            }
        }

        #[test]
        fn it_holds_keys_of_every_length(
            keys in prop::collection::hash_set(prop::collection::vec(any::<u8>(), 0..LONGEST_KEY), 0..40),
        ) {
            let compact = set(&keys);
            prop_assert_eq!(compact.len(), keys.len());
            for key in &keys {
                prop_assert!(compact.contains(key));
                let longer = [key.as_slice(), b"x"].concat();
                prop_assert_eq!(compact.contains(&longer), keys.contains(&longer));
            }
        }
    }
}
