//! The values of one metric: variants x cases x repeats, some of them missing, cases perhaps in groups.

/// Values beyond this are left out: their squares could not be summed.
pub const VALUE_MAX: f64 = 1e100;

/// One value: variant, case and repeat by their places, from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The variant's place.
    pub variant: usize,
    /// The case's place.
    pub case: usize,
    /// The repeat's number.
    pub repeat: u32,
    /// The value; finite.
    pub value: f64,
}

/// The values of one metric.
///
/// A *cell* is a variant on a case; its mean is over its repeats. A *unit* is what was drawn
/// independently of all else: a group of cases, or a case that has no group.
#[derive(Debug, Clone)]
pub struct Sample {
    variants: usize,
    /// Rows of `variants` values each, one for each repeat of a case; NaN where there is none.
    rows: Vec<f64>,
    /// Where the rows of a case begin; one more entry than there are cases.
    row_starts: Vec<usize>,
    /// Means of cells, case by case; NaN where a cell has no value.
    means: Vec<f64>,
    /// The unit of each case.
    units: Vec<u32>,
    unit_count: usize,
}

impl Sample {
    /// Arranges observations of `variants` variants. `groups` has one entry for each case: its
    /// group's place, or none.
    ///
    /// Observations that are no numbers up to [`VALUE_MAX`] are left out. Of two for one place the later counts.
    ///
    /// # Panics
    ///
    /// If an observation's variant or case is out of range.
    pub fn new(variants: usize, groups: &[Option<u32>], observations: &[Observation]) -> Self {
        let cases = groups.len();
        let mut repeats = vec![0_usize; cases];
        for one in observations {
            repeats[one.case] = repeats[one.case].max(one.repeat as usize + 1);
        }
        let mut row_starts = vec![0; cases + 1];
        for case in 0..cases {
            row_starts[case + 1] = row_starts[case] + repeats[case];
        }
        let mut rows = vec![f64::NAN; row_starts[cases] * variants];
        for one in observations.iter().filter(|one| one.value.abs() <= VALUE_MAX) {
            let row = row_starts[one.case] + one.repeat as usize;
            rows[row * variants + one.variant] = one.value;
        }
        let (units, unit_count) = number_units(groups);
        let mut sample = Self { variants, rows, row_starts, means: Vec::new(), units, unit_count };
        sample.drop_empty_rows();
        sample.means = (0..cases).flat_map(|case| sample.cell_means(case)).collect();
        sample
    }

    /// Returns the sample of these variants alone, in their order, on the cases where all have a value.
    #[must_use]
    pub fn shared_by(&self, variants: &[usize]) -> Self {
        let kept: Vec<usize> = (0..self.cases())
            .filter(|case| variants.iter().all(|variant| !self.mean(*case, *variant).is_nan()))
            .collect();
        let groups: Vec<_> = kept.iter().map(|case| Some(self.units[*case])).collect();
        let (units, unit_count) = number_units(&groups);
        let (mut rows, mut means, mut row_starts) = (Vec::new(), Vec::new(), vec![0]);
        for case in kept {
            for row in self.rows_of(case) {
                rows.extend(variants.iter().map(|variant| row[*variant]));
            }
            means.extend(variants.iter().map(|variant| self.mean(case, *variant)));
            row_starts.push(rows.len() / variants.len().max(1));
        }
        let mut sample =
            Self { variants: variants.len(), rows, row_starts, means, units, unit_count };
        sample.drop_empty_rows();
        sample
    }

    /// Returns whether two variants have values in the same repeats of all cases that both have.
    pub(crate) fn has_equal_repeats(&self, left: usize, right: usize) -> bool {
        let is_shared = |case: &usize| !(self.mean(*case, left) - self.mean(*case, right)).is_nan();
        (0..self.cases())
            .filter(is_shared)
            .all(|case| self.rows_of(case).all(|row| row[left].is_nan() == row[right].is_nan()))
    }

    /// Returns two variants with as many repeats of each case as both have: the mean of many coins and a
    /// single one differ in what a case can show, and a test of symmetry would see that.
    #[must_use]
    pub fn paired(&self, left: usize, right: usize) -> Self {
        let shared = self.shared_by(&[left, right]);
        if shared.has_equal_repeats(0, 1) {
            return shared;
        }
        let mut observations = Vec::new();
        for case in 0..shared.cases() {
            let both = |row: &&[f64]| !row[0].is_nan() && !row[1].is_nan();
            let mut pairs: Vec<[f64; 2]> =
                shared.rows_of(case).filter(both).map(|row| [row[0], row[1]]).collect();
            if pairs.is_empty() {
                let own = shared.values(case, 0).zip(shared.values(case, 1));
                pairs = own.map(|(left, right)| [left, right]).collect();
            }
            for (pair, repeat) in pairs.iter().zip(0..) {
                for (variant, value) in pair.iter().enumerate() {
                    observations.push(Observation { variant, case, repeat, value: *value });
                }
            }
        }
        let groups: Vec<_> = shared.units.iter().map(|unit| Some(*unit)).collect();
        Self::new(2, &groups, &observations)
    }

    fn drop_empty_rows(&mut self) {
        let mut kept = Vec::with_capacity(self.rows.len());
        let mut starts = vec![0];
        for case in 0..self.row_starts.len() - 1 {
            for row in self.rows_of(case).filter(|row| row.iter().any(|value| !value.is_nan())) {
                kept.extend_from_slice(row);
            }
            starts.push(kept.len() / self.variants.max(1));
        }
        self.rows = kept;
        self.row_starts = starts;
    }

    fn cell_means(&self, case: usize) -> Vec<f64> {
        let mean = |variant: usize| {
            let values = self.rows_of(case).map(|row| row[variant]).filter(|value| !value.is_nan());
            let (sum, count) =
                values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / count
        };
        (0..self.variants).map(mean).collect()
    }

    /// Returns how many variants there are.
    pub fn variants(&self) -> usize {
        self.variants
    }

    /// Returns how many cases there are, with values or not.
    pub fn cases(&self) -> usize {
        self.units.len()
    }

    /// Returns the unit of each case.
    pub(crate) fn units(&self) -> &[u32] {
        &self.units
    }

    /// Returns how many units there are.
    pub(crate) fn unit_count(&self) -> usize {
        self.unit_count
    }

    /// Returns whether some unit has several cases.
    pub fn is_grouped(&self) -> bool {
        self.unit_count < self.cases()
    }

    /// Returns the repeats of a case: each the values of all variants, NaN where there is none.
    pub(crate) fn rows_of(&self, case: usize) -> impl Iterator<Item = &[f64]> {
        let width = self.variants;
        (self.row_starts[case]..self.row_starts[case + 1])
            .map(move |row| &self.rows[row * width..(row + 1) * width])
    }

    /// Returns the mean of a cell; NaN where it has no value.
    pub(crate) fn mean(&self, case: usize, variant: usize) -> f64 {
        self.means[case * self.variants + variant]
    }

    /// Returns the values of a cell.
    pub(crate) fn values(&self, case: usize, variant: usize) -> impl Iterator<Item = f64> {
        self.rows_of(case).map(move |row| row[variant]).filter(|value| !value.is_nan())
    }

    /// Returns the value of a variant in a row; where it has none there, its mean in the case.
    pub(crate) fn filled(&self, case: usize, row: &[f64], variant: usize) -> f64 {
        let value = row[variant];
        if value.is_nan() { self.mean(case, variant) } else { value }
    }

    /// Returns whether the variant has a value in each case.
    pub(crate) fn is_complete(&self, variant: usize) -> bool {
        (0..self.cases()).all(|case| !self.mean(case, variant).is_nan())
    }

    /// Returns whether all values are 0 or 1.
    pub fn is_binary(&self, variant: usize) -> bool {
        (0..self.cases())
            .flat_map(|case| self.values(case, variant))
            .all(|value| [0.0, 1.0].contains(&value))
    }

    /// Returns whether all values are in [0, 1].
    pub(crate) fn is_bounded(&self, variant: usize) -> bool {
        (0..self.cases())
            .flat_map(|case| self.values(case, variant))
            .all(|value| (0.0..=1.0).contains(&value))
    }

    /// Returns whether no cell of the variant has more than one value.
    pub(crate) fn is_single(&self, variant: usize) -> bool {
        (0..self.cases()).all(|case| self.values(case, variant).count() <= 1)
    }
}

/// Numbers units in the order of their first cases.
fn number_units(groups: &[Option<u32>]) -> (Vec<u32>, usize) {
    let mut known = std::collections::HashMap::new();
    let mut next = 0;
    let mut fresh = || {
        next += 1;
        next - 1
    };
    let units = groups
        .iter()
        .map(|group| match group {
            None => fresh(),
            Some(group) => *known.entry(*group).or_insert_with(&mut fresh),
        })
        .collect();
    (units, next as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(variant: usize, case: usize, repeat: u32, value: f64) -> Observation {
        Observation { variant, case, repeat, value }
    }

    #[test]
    fn cells_are_means_of_their_repeats_and_gaps_stay_gaps() {
        let observations = [
            seen(0, 0, 0, 1.0),
            seen(0, 0, 2, 0.0),
            seen(1, 0, 0, 1.0),
            seen(0, 2, 0, f64::INFINITY),
        ];
        let sample = Sample::new(2, &[None, None, None], &observations);
        assert_eq!(sample.rows_of(0).count(), 2, "the repeat that nobody has is no row");
        assert!((sample.mean(0, 0) - 0.5).abs() < 1e-15);
        assert!(sample.mean(1, 0).is_nan() && sample.mean(2, 0).is_nan());
        assert_eq!(sample.values(0, 1).collect::<Vec<_>>(), [1.0]);
        let last: Vec<_> =
            sample.rows_of(0).last().map(<[f64]>::to_vec).into_iter().flatten().collect();
        assert!((sample.filled(0, &last, 1) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_case_without_a_group_is_a_unit_of_its_own() {
        let sample = Sample::new(1, &[Some(7), None, Some(7), None, Some(3)], &[]);
        assert_eq!(sample.units(), [0, 1, 0, 2, 3]);
        assert_eq!(sample.unit_count(), 4);
        assert!(sample.is_grouped());
    }
}
