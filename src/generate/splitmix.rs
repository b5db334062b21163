//! A seed and a number into 64 random bits: SplitMix64 as a function of its counter.
//!
//! Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, with the constants of Vigna's
//! public-domain `splitmix64.c`. Not for secrets.

/// 2^64 divided by the golden ratio, odd: the step of the counter.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Draws for one record: a stream that starts anywhere at once.
#[derive(Debug, Clone)]
pub(super) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream of record `number` under `seed`, apart from every other record's.
    pub(super) fn of_record(seed: u64, number: u64) -> Self {
        Self::new(mix(seed.wrapping_add(GAMMA)) ^ mix(number.wrapping_mul(GAMMA)))
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Below `bound`, by multiplication instead of rejection: biased by less than `bound` / 2^32, and always one draw.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let high = self.draw() >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of `splitmix64.c` for this seed, as Rosetta Code and others publish them.
    #[test]
    fn the_reference_sequence_comes_out() {
        let mut rng = SplitMix64::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| rng.draw()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_all_of_it() {
        let mut rng = SplitMix64::new(7);
        let mut seen = [0_u32; 6];
        for _ in 0..6_000 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1_200).contains(&n)), "{seen:?}");
    }
}
