//! What is drawn: units as lists of cases, or, where there are many, blocks of units.

use super::random::{Random, count_u32};
use super::{BLOCKS, DRAWN_UNITS_MAX};
use crate::sample::Sample;

/// Sets the dealing of blocks apart from the draws.
const BLOCK_SEED: u64 = 0xb10c;

/// The units as lists of cases.
pub(super) struct Units {
    starts: Vec<usize>,
    cases: Vec<u32>,
    /// Whether they are blocks of units.
    pub(super) are_blocks: bool,
}

impl Units {
    pub(super) fn new(sample: &Sample, seed: u64) -> Self {
        let are_blocks = sample.unit_count() > DRAWN_UNITS_MAX;
        let (of_case, count) = if are_blocks {
            let block_of = shuffled_blocks(sample.unit_count(), seed);
            let of_case = sample.units().iter().map(|unit| block_of[*unit as usize]).collect();
            (of_case, BLOCKS)
        } else {
            (sample.units().to_vec(), sample.unit_count())
        };
        let mut starts = vec![0; count + 1];
        for unit in &of_case {
            starts[*unit as usize + 1] += 1;
        }
        for unit in 0..count {
            starts[unit + 1] += starts[unit];
        }
        let mut next = starts.clone();
        let mut cases = vec![0; of_case.len()];
        for (unit, case) in of_case.iter().zip(0..) {
            cases[next[*unit as usize]] = case;
            next[*unit as usize] += 1;
        }
        Self { starts, cases, are_blocks }
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the cases of one.
    pub(super) fn cases(&self, unit: usize) -> &[u32] {
        &self.cases[self.starts[unit]..self.starts[unit + 1]]
    }
}

/// Deals units to blocks at random, so that each block has as many as any other, or one more.
fn shuffled_blocks(units: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed ^ BLOCK_SEED);
    let mut blocks: Vec<u32> = (0..units).map(|unit| count_u32(unit % BLOCKS)).collect();
    for last in (1..units).rev() {
        blocks.swap(last, random.below(count_u32(last + 1)) as usize);
    }
    blocks
}
