//! What one draw adds up: rows of values, and how many cases of each contrast they stand for.

use super::random::{Random, count_u32, scaled};
use super::units::Units;
use crate::contrast::Contrast;
use crate::sample::Sample;

/// Up to this many repeats, all means that a draw of them can have are computed beforehand.
const TABLE_REPEATS_MAX: usize = 3;

/// Rows are as long as a multiple of this, so that they are added without a remainder.
const LANES: usize = 8;

/// What draws are made of.
pub(super) struct Plan<'a> {
    contrasts: usize,
    /// Values of a row: as many as contrasts, and zeros up to a multiple of [`LANES`].
    width: usize,
    units: &'a Units,
    /// Rows of values less their contrast's estimate: single precision is enough for what is left. A
    /// value that is not there is 0 here and in `weights`.
    rows: Vec<f32>,
    leaves: Vec<Leaf>,
    /// One row for each leaf: how many cases of each contrast it stands for.
    weights: Vec<f32>,
    /// Whether all cases have a value in all contrasts.
    is_complete: bool,
    /// Whether, moreover, each unit is one case of which one row is taken.
    is_simple: bool,
    estimates: Vec<f64>,
    /// What rows were divided by, so that single precision has room for them.
    scales: Vec<f64>,
}

/// A case, or a whole block.
#[derive(Clone, Copy)]
struct Leaf {
    /// Where its rows begin.
    start: usize,
    /// How many rows it has.
    rows: u32,
    /// How many of them are drawn and averaged.
    picks: u32,
}

impl Leaf {
    /// Returns the row that a fraction of 2^32 chooses.
    #[inline]
    fn row(self, fraction: u32) -> usize {
        scaled(u64::from(fraction), self.rows) as usize
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(sample: &Sample, contrasts: &[Contrast], units: &'a Units) -> Self {
        let mut plan = Self {
            contrasts: contrasts.len(),
            width: contrasts.len().next_multiple_of(LANES),
            units,
            rows: Vec::new(),
            leaves: Vec::new(),
            weights: Vec::new(),
            is_complete: !units.are_blocks,
            is_simple: false,
            estimates: contrasts.iter().map(|contrast| estimate(sample, *contrast)).collect(),
            scales: Vec::new(),
        };
        plan.scales = plan.largest_deviations(sample, contrasts);
        if units.are_blocks {
            for block in 0..units.count() {
                plan.add_block(sample, contrasts, units.cases(block));
            }
        } else {
            for case in 0..sample.cases() {
                plan.add_case(sample, contrasts, case);
            }
        }
        let is_one_row = plan.leaves.iter().all(|leaf| leaf.picks == 1);
        plan.is_simple = plan.is_complete && is_one_row && units.count() == plan.leaves.len();
        plan
    }

    /// The largest deviation of each contrast from its estimate; 1 where there is none.
    fn largest_deviations(&self, sample: &Sample, contrasts: &[Contrast]) -> Vec<f64> {
        let mut largest = vec![0.0_f64; contrasts.len()];
        for case in 0..sample.cases() {
            for row in sample.rows_of(case) {
                let found = contrasts.iter().zip(&self.estimates);
                for (largest, (contrast, estimate)) in largest.iter_mut().zip(found) {
                    // A value that is not there is no maximum.
                    *largest = largest.max((contrast.of_row(sample, case, row) - estimate).abs());
                }
            }
        }
        largest.into_iter().map(|one| if one > 0.0 { one } else { 1.0 }).collect()
    }

    fn add_block(&mut self, sample: &Sample, contrasts: &[Contrast], cases: &[u32]) {
        self.leaves.push(Leaf { start: self.rows.len(), rows: 1, picks: 1 });
        let (mut sums, mut counts) = (Vec::new(), Vec::new());
        for ((contrast, estimate), scale) in contrasts.iter().zip(&self.estimates).zip(&self.scales)
        {
            let values = cases.iter().map(|case| contrast.of_case(sample, *case as usize));
            let (sum, count) =
                values.filter(|value| !value.is_nan()).fold((0.0, 0.0), |(sum, count), value| {
                    (sum + (value - estimate) / scale, count + 1.0)
                });
            sums.push(sum);
            counts.push(count);
        }
        self.push_row(sums);
        self.push_weights(counts);
    }

    fn add_case(&mut self, sample: &Sample, contrasts: &[Contrast], case: usize) {
        let start = self.rows.len();
        let centered = |row: &[f64]| -> Vec<f64> {
            let of = |((contrast, estimate), scale): ((&Contrast, &f64), &f64)| {
                let value = (contrast.of_row(sample, case, row) - estimate) / scale;
                if value.is_nan() { 0.0 } else { value }
            };
            contrasts.iter().zip(&self.estimates).zip(&self.scales).map(of).collect()
        };
        let repeats: Vec<Vec<f64>> = sample.rows_of(case).map(centered).collect();
        let weight = |contrast: &Contrast| f64::from(!contrast.of_case(sample, case).is_nan());
        let weights: Vec<f64> = contrasts.iter().map(weight).collect();
        self.is_complete &= weights.iter().all(|weight| *weight > 0.0);
        self.push_weights(weights);
        let count = repeats.len();
        let picks = if count <= TABLE_REPEATS_MAX { 1 } else { count };
        if picks == 1 {
            self.push_means(&repeats);
        } else {
            for row in repeats {
                self.push_row(row);
            }
        }
        let rows = count_u32((self.rows.len() - start) / self.width);
        self.leaves.push(Leaf { start, rows, picks: count_u32(picks) });
    }

    /// Adds the mean of each ordered choice of as many repeats as there are; a row of zeros for none.
    fn push_means(&mut self, repeats: &[Vec<f64>]) {
        let count = repeats.len();
        for mut choice in 0..count.pow(count_u32(count)) {
            let mut mean = vec![0.0; self.contrasts];
            for _ in 0..count {
                for (sum, value) in mean.iter_mut().zip(&repeats[choice % count]) {
                    *sum += value / f64::from(count_u32(count));
                }
                choice /= count;
            }
            self.push_row(mean);
        }
    }

    fn push_row(&mut self, row: Vec<f64>) {
        let (end, width) = (self.rows.len(), self.width);
        self.rows.extend(row.into_iter().map(single));
        self.rows.resize(end + width, 0.0);
    }

    fn push_weights(&mut self, weights: Vec<f64>) {
        let (end, width) = (self.weights.len(), self.width);
        self.weights.extend(weights.into_iter().map(single));
        self.weights.resize(end + width, 0.0);
    }

    /// Draws `count` times; returns the draws of each contrast.
    pub(super) fn draw(&self, count: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed);
        let mut columns = vec![Vec::with_capacity(count); self.contrasts];
        let (mut sums, mut weights) = (vec![0.0; self.width], vec![0.0; self.width]);
        for _ in 0..count {
            sums.fill(0.0);
            weights.fill(0.0);
            let taken = match self.width / LANES {
                1 if self.is_simple => self.draw_simply::<1>(&mut random, &mut sums),
                2 if self.is_simple => self.draw_simply::<2>(&mut random, &mut sums),
                3 if self.is_simple => self.draw_simply::<3>(&mut random, &mut sums),
                4 if self.is_simple => self.draw_simply::<4>(&mut random, &mut sums),
                _ => self.draw_units(&mut random, &mut sums, &mut weights),
            };
            for (place, column) in columns.iter_mut().enumerate() {
                let weight = if self.is_complete { taken } else { f64::from(weights[place]) };
                // A draw that took no case with a value says nothing.
                let shift = if weight > 0.0 { f64::from(sums[place]) / weight } else { 0.0 };
                column.push(shift.mul_add(self.scales[place], self.estimates[place]));
            }
        }
        columns
    }

    /// What [`Self::draw_units`] does where each unit is one leaf of which one row is taken: with the
    /// sums of `CHUNKS` x [`LANES`] contrasts in registers.
    fn draw_simply<const CHUNKS: usize>(&self, random: &mut Random, sums: &mut [f32]) -> f64 {
        let units = count_u32(self.leaves.len());
        let mut totals = [[0.0; LANES]; CHUNKS];
        for _ in 0..units {
            let (unit, fraction) = random.two_below(units, u32::MAX);
            let leaf = self.leaves[unit as usize];
            let begin = leaf.start + leaf.row(fraction) * self.width;
            let (row, _) = self.rows[begin..begin + CHUNKS * LANES].as_chunks::<LANES>();
            for (totals, values) in totals.iter_mut().zip(row) {
                for (total, value) in totals.iter_mut().zip(values) {
                    *total += value;
                }
            }
        }
        sums.copy_from_slice(totals.as_flattened());
        f64::from(units)
    }

    /// Takes as many units as there are; returns how many leaves that was.
    fn draw_units(&self, random: &mut Random, sums: &mut [f32], weights: &mut [f32]) -> f64 {
        let mut taken = 0_u32;
        let units = count_u32(self.units.count());
        for _ in 0..units {
            // One number chooses the unit and, in the most frequent case, the row.
            let (unit, fraction) = random.two_below(units, u32::MAX);
            let unit = unit as usize;
            if self.units.are_blocks {
                self.take(unit, fraction, random, sums, weights);
                taken += 1;
                continue;
            }
            let cases = self.units.cases(unit);
            if let [only] = cases {
                self.take(*only as usize, fraction, random, sums, weights);
                taken += 1;
                continue;
            }
            for _ in cases {
                let (place, fraction) = random.two_below(count_u32(cases.len()), u32::MAX);
                self.take(cases[place as usize] as usize, fraction, random, sums, weights);
                taken += 1;
            }
        }
        f64::from(taken)
    }

    /// Adds what a draw of a leaf's repeats is; `fraction` chooses the row where one is enough.
    #[inline]
    fn take(
        &self,
        leaf: usize,
        fraction: u32,
        random: &mut Random,
        sums: &mut [f32],
        weights: &mut [f32],
    ) {
        let Leaf { start, rows, picks } = self.leaves[leaf];
        let row = |place: usize| {
            let begin = start + place * self.width;
            &self.rows[begin..begin + self.width]
        };
        if picks == 1 {
            add(sums, row(self.leaves[leaf].row(fraction)), 1.0);
        } else {
            let share = 1.0 / single(f64::from(picks));
            for _ in 0..picks {
                add(sums, row(random.below(rows) as usize), share);
            }
        }
        if !self.is_complete {
            add(weights, &self.weights[leaf * self.width..(leaf + 1) * self.width], 1.0);
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

#[inline]
fn add(sums: &mut [f32], row: &[f32], share: f32) {
    let (sums, _) = sums.as_chunks_mut::<LANES>();
    let (row, _) = row.as_chunks::<LANES>();
    for (sums, values) in sums.iter_mut().zip(row) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value * share;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "draws need no more digits")]
fn single(value: f64) -> f32 {
    value as f32
}
