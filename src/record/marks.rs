//! Turns a text into the offsets of the bytes that can end or open something: delimiters, line ends, quotes.

/// Bytes looked at at once: one bit of a `u64` each.
const BLOCK: usize = 64;

/// Walks the offsets of three given bytes in a text, in order.
pub(super) struct Marks<'t> {
    text: &'t [u8],
    needles: [u8; 3],
    /// Offset of the block that `bits` tells of.
    block: usize,
    /// One bit per byte of the block: a needle that has not been given yet.
    bits: u64,
    /// Offset of the block after it.
    next_block: usize,
}

impl<'t> Marks<'t> {
    pub(super) fn new(text: &'t [u8], needles: [u8; 3]) -> Self {
        Self { text, needles, block: 0, bits: 0, next_block: 0 }
    }

    /// Offset of the next needle.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            if self.next_block >= self.text.len() {
                return None;
            }
            self.block = self.next_block;
            self.bits = self.block_bits();
            self.next_block += BLOCK;
        }
        let mark = self.block + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(mark)
    }

    #[inline]
    fn block_bits(&self) -> u64 {
        let rest = &self.text[self.next_block..];
        match rest.first_chunk::<BLOCK>() {
            Some(block) => bits(block, self.needles),
            None => {
                let mut block = [0; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                // The padding may equal a needle.
                bits(&block, self.needles) & ((1 << rest.len()) - 1)
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn bits(block: &[u8; BLOCK], needles: [u8; 3]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    let mut bits = 0;
    for (index, lane) in block.chunks_exact(16).enumerate() {
        // SAFETY: SSE2 belongs to every x86-64; a lane has 16 bytes, and the load needs no alignment.
        let found = unsafe {
            let lane = _mm_loadu_si128(lane.as_ptr().cast());
            let [a, b, c] = needles.map(|needle| _mm_cmpeq_epi8(lane, _mm_set1_epi8(needle as i8)));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), c))
        };
        bits |= u64::from(found as u32) << (16 * index);
    }
    bits
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn bits(block: &[u8; BLOCK], needles: [u8; 3]) -> u64 {
    plain_bits(block, needles)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_bits(block: &[u8; BLOCK], needles: [u8; 3]) -> u64 {
    block.iter().enumerate().fold(0, |bits, (index, byte)| bits | u64::from(needles.contains(byte)) << index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_needle_is_found_once_in_order(text in proptest::collection::vec(0u8..6, 0..300)) {
            let mut marks = Marks::new(&text, [0, 2, 3]);
            let found: Vec<usize> = std::iter::from_fn(|| marks.next()).collect();
            let expected: Vec<usize> = (0..text.len()).filter(|&at| [0, 2, 3].contains(&text[at])).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn both_ways_to_look_at_a_block_agree(block in proptest::collection::vec(0u8..6, BLOCK)) {
            let block = block.first_chunk().unwrap();
            prop_assert_eq!(bits(block, [1, 1, 5]), plain_bits(block, [1, 1, 5]));
        }
    }
}
