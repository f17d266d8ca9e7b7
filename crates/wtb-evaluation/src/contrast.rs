//! What is estimated: a variant's mean, or the difference of two variants on the cases of both.

use crate::clusters;
use crate::sample::Sample;

/// Values of a metric from 0 to 1 that are closer than this are alike: sums in another order, or numbers of half
/// the digits, make such differences.
const ALIKE_WITHIN: f64 = 1e-6;

/// A mean over cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contrast {
    /// The mean of a variant.
    Mean(usize),
    /// The mean of the first variant's cell less the second's, on the cases where both have one.
    Difference(usize, usize),
}

impl Contrast {
    /// Returns the value of a case; NaN where it has none.
    pub(crate) fn of_case(self, sample: &Sample, case: usize) -> f64 {
        match self {
            Self::Mean(variant) => sample.mean(case, variant),
            Self::Difference(left, right) => {
                difference(sample.mean(case, left), sample.mean(case, right))
            }
        }
    }

    /// Returns the value in a repeat of a case; a repeat that a variant lacks has its case's mean.
    pub(crate) fn of_row(self, sample: &Sample, case: usize, row: &[f64]) -> f64 {
        match self {
            Self::Mean(variant) => sample.filled(case, row, variant),
            Self::Difference(left, right) => {
                sample.filled(case, row, left) - sample.filled(case, row, right)
            }
        }
    }

    /// Returns the value in a repeat of a case; NaN where a variant lacks it.
    fn of_row_alone(self, row: &[f64]) -> f64 {
        match self {
            Self::Mean(variant) => row[variant],
            Self::Difference(left, right) => row[left] - row[right],
        }
    }

    fn range(self, sample: &Sample) -> Option<(f64, f64)> {
        let is_bounded = self.variants().iter().all(|variant| sample.is_bounded(*variant));
        is_bounded.then_some(match self {
            Self::Mean(_) => (0.0, 1.0),
            Self::Difference(..) => (-1.0, 1.0),
        })
    }

    pub(crate) fn variants(self) -> [usize; 2] {
        match self {
            Self::Mean(variant) => [variant, variant],
            Self::Difference(left, right) => [left, right],
        }
    }
}

/// A difference that rounding alone can make is none: means of the same repeats in another order.
fn difference(left: f64, right: f64) -> f64 {
    let difference = left - right;
    let is_rounding = difference.abs() <= 1e-12 * left.abs().max(right.abs());
    if is_rounding { 0.0 } else { difference }
}

/// What the cases say of a contrast.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The mean over the cases.
    pub estimate: f64,
    /// How many cases have a value.
    pub cases: usize,
    /// How many units have one.
    pub units: usize,
    /// The standard deviation of a case's value, divisor n - 1; 0 for a single case.
    pub deviation: f64,
    /// The standard error of the estimate; `None` for a single unit.
    pub standard_error: Option<f64>,
    /// The degrees of freedom of the standard error: units - 1, and fewer for units of several sizes.
    pub(crate) df: f64,
    /// How skewed the units are: the acceleration of the BCa interval.
    pub(crate) acceleration: f64,
    /// The part of the estimate's variance that comes from repeats; `None` without repeats.
    pub noise: Option<f64>,
    /// The variance of one repeat within its case; `None` without repeats.
    pub within: Option<f64>,
    /// In which range the contrast has to be, where all values of its variants are in [0, 1].
    pub(crate) range: Option<(f64, f64)>,
    /// Sums of the values by unit, for units that have any, in the units' order.
    pub(crate) unit_sums: Vec<f64>,
    /// How many cases there are behind each sum.
    pub(crate) unit_cases: Vec<f64>,
}

impl Spread {
    /// Measures a contrast; `None` when no case has a value.
    ///
    /// The standard error is that of a mean of clustered values; for units of one case each it is
    /// s / sqrt(n). It is not smaller than what the repeats alone make it.
    pub fn of(sample: &Sample, contrast: Contrast) -> Option<Self> {
        let values: Vec<f64> =
            (0..sample.cases()).map(|case| contrast.of_case(sample, case)).collect();
        let (mut sums, mut counts) =
            (vec![0.0; sample.unit_count()], vec![0.0; sample.unit_count()]);
        for (value, unit) in values.iter().zip(sample.units()).filter(|(value, _)| !value.is_nan())
        {
            sums[*unit as usize] += value;
            counts[*unit as usize] += 1.0;
        }
        let seen = counts.iter().map(|count| *count > 0.0).collect::<Vec<_>>();
        let mut keep = seen.iter();
        sums.retain(|_| keep.next().copied().unwrap_or(false));
        counts.retain(|count| *count > 0.0);
        let n: f64 = counts.iter().sum();
        if n == 0.0 {
            return None;
        }
        let estimate = sums.iter().sum::<f64>() / n;
        let influences: Vec<_> =
            sums.iter().zip(&counts).map(|(sum, count)| sum - count * estimate).collect();
        let (within, noise) = repeats(sample, contrast, n).unzip();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a count"
        )]
        let cases = n as usize;
        Some(Self {
            estimate,
            cases,
            units: sums.len(),
            deviation: deviation(&values, estimate, n),
            standard_error: clusters::variance(&influences, &counts, n)
                .map(|variance| variance.max(noise.unwrap_or(0.0)).sqrt()),
            df: clusters::degrees_of_freedom(&counts, n),
            acceleration: clusters::acceleration(&influences),
            noise,
            within,
            range: contrast.range(sample),
            unit_sums: sums,
            unit_cases: counts,
        })
    }

    /// Returns the skewness of the units over the root of their number.
    pub(crate) fn skewness(&self) -> f64 {
        6.0 * self.acceleration
    }

    /// Counts the units that differ from the value that most have; all, where no two are alike.
    pub(crate) fn unlike(&self) -> usize {
        let means = self.unit_sums.iter().zip(&self.unit_cases).map(|(sum, count)| sum / count);
        let mut means: Vec<f64> = means.collect();
        means.sort_unstable_by(f64::total_cmp);
        let are_alike = |left: &f64, right: &f64| {
            let within = if self.range.is_some() { ALIKE_WITHIN } else { 1e-12 * right.abs() };
            (left - right).abs() <= within
        };
        match means.chunk_by(are_alike).map(<[f64]>::len).max() {
            None | Some(1) => means.len(),
            Some(most) => means.len() - most,
        }
    }

    /// Returns whether all units have one value.
    pub(crate) fn is_constant(&self) -> bool {
        self.standard_error.is_none_or(|error| error <= 1e-12 * self.estimate.abs().max(1e-300))
    }
}

fn deviation(values: &[f64], mean: f64, n: f64) -> f64 {
    if n < 2.0 {
        return 0.0;
    }
    let squares = values.iter().filter(|value| !value.is_nan()).map(|value| (value - mean).powi(2));
    (squares.sum::<f64>() / (n - 1.0)).sqrt()
}

/// The pooled variance of repeats within their cells, and the variance of the mean that they alone
/// make: that over the repeats of each cell.
fn repeats(sample: &Sample, contrast: Contrast, n: f64) -> Option<(f64, f64)> {
    let (mut squares, mut freedom, mut shares) = (0.0, 0.0, 0.0);
    for case in (0..sample.cases()).filter(|case| !contrast.of_case(sample, *case).is_nan()) {
        let (mut count, mut sum, mut sum_of_squares) = (0.0_f64, 0.0, 0.0);
        for value in sample.rows_of(case).map(|row| contrast.of_row_alone(row)) {
            if !value.is_nan() {
                count += 1.0;
                sum += value;
                sum_of_squares += value * value;
            }
        }
        shares += 1.0 / count.max(1.0);
        if count > 1.0 {
            squares += (sum_of_squares - sum * sum / count).max(0.0);
            freedom += count - 1.0;
        }
    }
    (freedom > 0.0).then(|| (squares / freedom, squares / freedom * shares / (n * n)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Observation;

    fn sample(groups: &[Option<u32>], values: &[&[f64]]) -> Sample {
        let observations: Vec<_> = values
            .iter()
            .enumerate()
            .flat_map(|(case, repeats)| {
                repeats.iter().zip(0..).map(move |(value, repeat)| Observation {
                    variant: 0,
                    case,
                    repeat,
                    value: *value,
                })
            })
            .collect();
        Sample::new(1, groups, &observations)
    }

    #[test]
    fn single_values_have_the_plain_standard_error() {
        let spread =
            Spread::of(&sample(&[None; 4], &[&[1.0], &[2.0], &[3.0], &[6.0]]), Contrast::Mean(0))
                .unwrap();
        assert!((spread.estimate - 3.0).abs() < 1e-12);
        assert!((spread.deviation - 2.160_246_899_469_287).abs() < 1e-12);
        assert!((spread.standard_error.unwrap() - 2.160_246_899_469_287 / 2.0).abs() < 1e-12);
        assert_eq!(spread.noise, None);
    }

    #[test]
    fn repeats_are_never_less_noise_than_they_are() {
        let spread = Spread::of(
            &sample(&[None; 3], &[&[0.0, 1.0], &[1.0, 0.0], &[0.0, 1.0]]),
            Contrast::Mean(0),
        )
        .unwrap();
        assert!((spread.estimate - 0.5).abs() < 1e-12);
        // Cells are all 0.5, but each is the mean of two coins: 0.5 / 2 / 3.
        assert!((spread.noise.unwrap() - 0.5 / 2.0 / 3.0).abs() < 1e-12);
        assert!((spread.standard_error.unwrap().powi(2) - 0.5 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn groups_are_the_units() {
        let groups = [Some(0), Some(0), Some(1), Some(1)];
        let spread =
            Spread::of(&sample(&groups, &[&[1.0], &[1.0], &[0.0], &[0.0]]), Contrast::Mean(0))
                .unwrap();
        assert_eq!((spread.cases, spread.units), (4, 2));
        assert!((spread.standard_error.unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn one_unit_has_no_standard_error_and_no_case_no_spread() {
        let one = sample(&[None], &[&[1.0, 0.0]]);
        assert_eq!(Spread::of(&one, Contrast::Mean(0)).unwrap().standard_error, None);
        assert_eq!(Spread::of(&sample(&[None], &[&[]]), Contrast::Mean(0)), None);
    }
}
