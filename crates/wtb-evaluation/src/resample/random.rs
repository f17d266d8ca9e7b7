//! Random places.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded source of places.
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number below `bound`.
    #[inline]
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.two_below(bound, 1).0
    }

    /// Two numbers, each below its bound. Their bias, below `bound` / 2^32, is far below what draws can
    /// show (Lemire 2019, ACM Transactions on Modeling and Computer Simulation 29).
    #[inline]
    pub(super) fn two_below(&mut self, first: u32, second: u32) -> (u32, u32) {
        let number = self.0.next_u64();
        (scaled(number >> 32, first), scaled(number & u64::from(u32::MAX), second))
    }
}

/// A fraction of 2^32 of a bound.
#[inline]
pub(super) fn scaled(number: u64, bound: u32) -> u32 {
    ((number * u64::from(bound)) >> 32) as u32
}

/// A place among cases, rows or draws, which are counted by `u32`.
#[expect(clippy::cast_possible_truncation, reason = "places are below 2^32")]
pub(super) fn count_u32(count: usize) -> u32 {
    count as u32
}
