//! A small deterministic random source for the shuffle and the jitter; the same on every platform.
//!
//! The generator is `SplitMix64`: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number
//! Generators", OOPSLA 2014, with the constants of S. Vigna's public-domain reference
//! (<https://prng.di.unimi.it/splitmix64.c>). It is not fit for secrets.

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of 64-bit numbers that depends on nothing but its seed.
///
/// ```
/// use wtb_scheduler::SplitMix64;
/// assert_eq!(SplitMix64::new(7).next_u64(), SplitMix64::new(7).next_u64());
/// ```
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts the stream that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next number of the stream.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Returns a number in `0..bound`, without bias; 0 when `bound` is 0.
    ///
    /// D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 2019.
    pub fn below(&mut self, bound: u32) -> u32 {
        loop {
            let random = self.next_u64() >> 32;
            let product = random * u64::from(bound);
            let low = product & u64::from(u32::MAX);
            if low >= u64::from(bound) || low >= u64::from(bound.wrapping_neg() % bound.max(1)) {
                return high_half(product);
            }
        }
    }
}

/// Maps the numbers `0..2^64` onto `0..=top` evenly (up to rounding), keeping their order.
pub(crate) fn scale_to(random: u64, top: u64) -> u64 {
    let product = u128::from(random) * (u128::from(top) + 1);
    u64::try_from(product >> 64).unwrap_or(top)
}

/// Condenses three numbers to one random-looking number, for choices that must not depend on the
/// order in which they are made.
pub(crate) const fn hash(seed: u64, first: u64, second: u64) -> u64 {
    let inner = mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ first;
    mix(mix(inner.wrapping_add(GOLDEN_GAMMA)) ^ second)
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn high_half(product: u64) -> u32 {
    u32::try_from(product >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_equals_the_published_reference() {
        let mut random = SplitMix64::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.next_u64()).collect();
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
    fn below_reaches_every_number_and_no_other() {
        let mut random = SplitMix64::new(1);
        let mut seen = [0_u32; 6];
        for _ in 0..6000 {
            seen[random.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        assert_eq!(random.below(1), 0);
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn scale_to_covers_both_ends() {
        assert_eq!(scale_to(0, 10), 0);
        assert_eq!(scale_to(u64::MAX, 10), 10);
        assert_eq!(scale_to(u64::MAX, u64::MAX), u64::MAX);
    }
}
