//! The nested bootstrap: groups, then cases within them, then repeats, drawn with replacement.
//!
//! All contrasts are drawn at once: a draw takes the same groups, cases and repeats for each of them,
//! so that what variants share (the workload, and the seed of a case and repeat) stays shared.
//! Repeats are drawn among the few means that they can have, which are computed once.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::contrast::Contrast;
use crate::sample::Sample;

/// More units than this are first gathered at random into [`BLOCKS`] blocks, which are then drawn.
pub const DRAWN_UNITS_MAX: usize = 2_000;

/// How many blocks many units are gathered into.
pub const BLOCKS: usize = 1_000;

/// Contrasts that are drawn together; more would not fit into a core's caches.
const WIDTH: usize = 32;

/// Up to this many repeats, all means that a draw of them can have are computed beforehand.
const TABLE_REPEATS_MAX: usize = 3;

/// Draws of some contrasts.
#[derive(Debug, Clone)]
pub struct Draws {
    /// The draws of each contrast. A draw that took no case with a value is the contrast's estimate.
    columns: Vec<Vec<f64>>,
    /// Whether units were gathered into blocks.
    pub blocks: bool,
}

impl Draws {
    /// Draws `count` times. The same seed gives the same draws, and each contrast has the same draws
    /// whichever others are asked for.
    pub fn new(sample: &Sample, contrasts: &[Contrast], count: usize, seed: u64) -> Self {
        let units = Units::new(sample, seed);
        let mut columns = Vec::with_capacity(contrasts.len());
        for chunk in contrasts.chunks(WIDTH) {
            let plan = Plan::new(sample, chunk, &units);
            columns.extend(plan.draw(count, seed));
        }
        Self { columns, blocks: units.are_blocks }
    }

    /// Returns the draws of the contrast at this place among those that were asked for.
    ///
    /// # Panics
    ///
    /// If there were fewer.
    pub fn of(&self, place: usize) -> &[f64] {
        &self.columns[place]
    }
}

/// The units as lists of cases.
struct Units {
    starts: Vec<usize>,
    cases: Vec<u32>,
    are_blocks: bool,
}

impl Units {
    fn new(sample: &Sample, seed: u64) -> Self {
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

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn cases(&self, unit: usize) -> &[u32] {
        &self.cases[self.starts[unit]..self.starts[unit + 1]]
    }
}

/// Deals units to blocks at random, so that each block has as many as any other, or one more.
fn shuffled_blocks(units: usize, seed: u64) -> Vec<u32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x_b10c);
    let mut blocks: Vec<u32> = (0..units).map(|unit| count_u32(unit % BLOCKS)).collect();
    for last in (1..units).rev() {
        #[expect(clippy::cast_possible_truncation, reason = "a place among the units")]
        let other = ((u128::from(random.next_u64()) * (last as u128 + 1)) >> 64) as usize;
        blocks.swap(last, other);
    }
    blocks
}

/// What one draw adds up: rows of values, and how many cases of each contrast they stand for.
struct Plan<'a> {
    width: usize,
    units: &'a Units,
    /// Rows of values; NaN is 0 here and 0 in `weights`.
    rows: Vec<f64>,
    /// Where the rows of a leaf begin, and how many there are: a leaf is a case, or a whole block.
    leaves: Vec<Leaf>,
    /// One row for each leaf, of how many cases of each contrast have a value.
    weights: Vec<f64>,
    /// Whether all cases have a value in all contrasts.
    is_complete: bool,
    estimates: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Leaf {
    start: usize,
    rows: u32,
    /// How many of the rows are drawn and averaged.
    picks: u32,
}

impl<'a> Plan<'a> {
    fn new(sample: &Sample, contrasts: &[Contrast], units: &'a Units) -> Self {
        let width = contrasts.len();
        let mut plan = Self {
            width,
            units,
            rows: Vec::new(),
            leaves: Vec::new(),
            weights: Vec::new(),
            is_complete: true,
            estimates: Vec::new(),
        };
        if units.are_blocks {
            for block in 0..units.count() {
                plan.add_block(sample, contrasts, units.cases(block));
            }
        } else {
            for case in 0..sample.cases() {
                plan.add_case(sample, contrasts, case);
            }
        }
        plan.is_complete = !units.are_blocks && plan.weights.iter().all(|weight| *weight > 0.0);
        plan.estimates = contrasts.iter().map(|contrast| estimate(sample, *contrast)).collect();
        plan
    }

    fn add_block(&mut self, sample: &Sample, contrasts: &[Contrast], cases: &[u32]) {
        let start = self.rows.len();
        self.leaves.push(Leaf { start, rows: 1, picks: 1 });
        for contrast in contrasts {
            let values = cases.iter().map(|case| contrast.of_case(sample, *case as usize));
            let (sum, count) = values
                .filter(|value| !value.is_nan())
                .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            self.rows.push(sum);
            self.weights.push(count);
        }
    }

    fn add_case(&mut self, sample: &Sample, contrasts: &[Contrast], case: usize) {
        let start = self.rows.len();
        let repeats: Vec<Vec<f64>> = sample
            .rows_of(case)
            .map(|row| contrasts.iter().map(|one| zero(one.of_row(sample, case, row))).collect())
            .collect();
        for contrast in contrasts {
            self.weights.push(if contrast.of_case(sample, case).is_nan() { 0.0 } else { 1.0 });
        }
        let count = repeats.len();
        let (rows, picks) = if count == 0 {
            self.rows.extend(std::iter::repeat_n(0.0, contrasts.len()));
            (1, 1)
        } else if count <= TABLE_REPEATS_MAX {
            self.add_means(&repeats);
            (count.pow(count_u32(count)), 1)
        } else {
            self.rows.extend(repeats.iter().flatten());
            (count, count)
        };
        self.leaves.push(Leaf { start, rows: count_u32(rows), picks: count_u32(picks) });
    }

    /// Adds the mean of each ordered choice of as many repeats as there are.
    fn add_means(&mut self, repeats: &[Vec<f64>]) {
        let count = repeats.len();
        let share = 1.0 / f64::from(count_u32(count));
        for mut choice in 0..count.pow(count_u32(count)) {
            let mut mean = vec![0.0; self.width];
            for _ in 0..count {
                add(&mut mean, &repeats[choice % count]);
                choice /= count;
            }
            self.rows.extend(mean.iter().map(|sum| sum * share));
        }
    }

    fn draw(&self, count: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
        let mut columns = vec![Vec::with_capacity(count); self.width];
        let (mut sums, mut weights) = (vec![0.0; self.width], vec![0.0; self.width]);
        for _ in 0..count {
            sums.fill(0.0);
            weights.fill(0.0);
            let taken = self.draw_units(&mut random, &mut sums, &mut weights);
            for (place, column) in columns.iter_mut().enumerate() {
                let weight = if self.is_complete { taken } else { weights[place] };
                column.push(if weight > 0.0 {
                    sums[place] / weight
                } else {
                    self.estimates[place]
                });
            }
        }
        columns
    }

    /// Takes as many units as there are; returns how many leaves that was.
    fn draw_units(&self, random: &mut Random, sums: &mut [f64], weights: &mut [f64]) -> f64 {
        let mut taken = 0_u32;
        let units = count_u32(self.units.count());
        for _ in 0..units {
            let unit = random.below(units) as usize;
            if self.units.are_blocks {
                self.take(unit, random, sums, weights);
                taken += 1;
                continue;
            }
            let cases = self.units.cases(unit);
            for place in 0..cases.len() {
                let place = if cases.len() == 1 {
                    place
                } else {
                    random.below(count_u32(cases.len())) as usize
                };
                self.take(cases[place] as usize, random, sums, weights);
                taken += 1;
            }
        }
        f64::from(taken)
    }

    #[inline]
    fn take(&self, leaf: usize, random: &mut Random, sums: &mut [f64], weights: &mut [f64]) {
        let Leaf { start, rows, picks } = self.leaves[leaf];
        let row = |random: &mut Random| {
            let row = if rows == 1 { 0 } else { random.below(rows) as usize };
            &self.rows[start + row * self.width..start + (row + 1) * self.width]
        };
        if picks == 1 {
            add(sums, row(random));
        } else {
            let share = 1.0 / f64::from(picks);
            for _ in 0..picks {
                let row = row(random);
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value * share;
                }
            }
        }
        if !self.is_complete {
            add(weights, &self.weights[leaf * self.width..(leaf + 1) * self.width]);
        }
    }
}

fn estimate(sample: &Sample, contrast: Contrast) -> f64 {
    let values = (0..sample.cases()).map(|case| contrast.of_case(sample, case));
    let (sum, count) = values
        .filter(|value| !value.is_nan())
        .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

fn zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

#[inline]
fn add(sums: &mut [f64], row: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "places among cases and repeats are u32")]
fn count_u32(count: usize) -> u32 {
    count as u32
}

struct Random(Xoshiro256PlusPlus);

impl Random {
    /// A number below `bound`. Its bias, below `bound` / 2^64, is far below what draws can show.
    #[inline]
    fn below(&mut self, bound: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the high half is below the bound")]
        let number = ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u32;
        number
    }
}
