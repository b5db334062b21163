//! Which topic and partition a chunk goes to.

use super::ChunkId;

/// A chunk topic of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    Normal,
    High,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Normal, Self::High];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == name)
    }

    /// Its topic, without the prefix of the installation.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Normal => "chunks.normal",
            Self::High => "chunks.high",
        }
    }
}

impl ChunkId {
    /// A job's chunks go round all partitions of its lane, each job from a place of its own.
    pub fn partition(self, partitions: i32) -> i32 {
        // SplitMix64 (Steele, Lea, Flood 2014): spreads consecutive job ids.
        let mut start = (self.job.0 as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        start = (start ^ (start >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        start = (start ^ (start >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        start ^= start >> 31;
        (start.wrapping_add(u64::from(self.seq.0)) % partitions as u64) as i32
    }
}
