//! How far a mean of clustered values may be from the truth: its standard error, and how well that is known.
//!
//! The *influence* of a unit is the sum of its values' deviations from the mean over all cases.

/// Returns the variance of a mean over `n` cases in units of `cases` each; `None` for a single unit.
///
/// The sum of the squared influences over n^2, each divided by 1 - w, with w the unit's share of the cases:
/// one that holds many cases draws the mean to itself, so that its influence looks too small. For units
/// of one size that is the usual correction C / (C - 1) for few clusters (Miller 2024, arXiv 2411.00640), and
/// for units of one case the whole is s^2 / n. It is CR2 of Bell and `McCaffrey` (2002), "Bias reduction in
/// standard errors for linear regression with multi-stage samples", Survey Methodology 28, 169-181.
pub(crate) fn variance(influences: &[f64], cases: &[f64], n: f64) -> Option<f64> {
    let squares = influences.iter().zip(cases).map(|(own, cases)| own * own / (1.0 - cases / n));
    (influences.len() > 1).then(|| squares.sum::<f64>() / (n * n))
}

/// Returns the degrees of freedom of [`variance`], 1 or more: units - 1 where all are of one size, fewer else.
///
/// Satterthwaite's approximation as in Bell and `McCaffrey`: tr(B)^2 / tr(B B), where B is the
/// covariance of the influences of independent values times the weights 1 / (1 - w). Imbens and Kolesár (2016),
/// "Robust standard errors in small samples", Review of Economics and Statistics 98, 701-712, find
/// that it holds as well where values within units are alike.
pub(crate) fn degrees_of_freedom(cases: &[f64], n: f64) -> f64 {
    let weighted = |own: &f64| (own / n).powi(2) / (1.0 - own / n);
    let sum: f64 = cases.iter().map(weighted).sum();
    let of_pairs = cases.iter().map(|own| weighted(own) * (sum - weighted(own))).sum::<f64>();
    let of_squares = cases.iter().map(|own| (own / n).powi(2)).sum::<f64>();
    // The trace itself is the sum of the shares, 1.
    (1.0 / (of_squares + of_pairs)).min(count(cases.len()) - 1.0).max(1.0)
}

/// Efron (1987), "Better bootstrap confidence intervals", JASA 82: the skewness of the influences over 6.
pub(crate) fn acceleration(influences: &[f64]) -> f64 {
    let squares: f64 = influences.iter().map(|one| one * one).sum();
    let cubes: f64 = influences.iter().map(|one| one * one * one).sum();
    let found = cubes / (6.0 * squares.powf(1.5));
    // Squares of tiny values are no numbers.
    if found.is_finite() { found } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^52")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn influences(values: &[f64], cases: &[f64]) -> (Vec<f64>, f64) {
        let n: f64 = cases.iter().sum();
        let mean = values.iter().zip(cases).map(|(value, own)| value * own).sum::<f64>() / n;
        (values.iter().zip(cases).map(|(value, own)| own * (value - mean)).collect(), n)
    }

    #[test]
    fn units_of_one_size_have_the_usual_variance_and_degrees() {
        let (values, cases) = ([1.0, 4.0, 2.0, 9.0], [3.0; 4]);
        let (influences, n) = influences(&values, &cases);
        // s^2 / C of the means of the clusters.
        assert!(
            (variance(&influences, &cases, n).unwrap() - 12.666_666_666_666_666 / 4.0).abs()
                < 1e-12
        );
        assert!((degrees_of_freedom(&cases, n) - 3.0).abs() < 1e-12);
        assert!((degrees_of_freedom(&vec![1.0; 5_000], 5_000.0) - 4_999.0).abs() < 1e-3);
    }

    #[test]
    fn a_single_unit_has_no_variance() {
        assert_eq!(variance(&[0.0], &[5.0], 5.0), None);
    }

    /// tr(B)^2 / tr(B B) of the matrix itself.
    fn by_the_matrix(cases: &[f64], n: f64) -> f64 {
        let shares: Vec<f64> = cases.iter().map(|own| own / n).collect();
        let units = shares.len();
        let entry = |row: usize, column: usize| {
            let own = if row == column { shares[row] } else { 0.0 };
            (own - shares[row] * shares[column]) / (1.0 - shares[row])
        };
        let trace: f64 = (0..units).map(|unit| entry(unit, unit)).sum();
        let pairs = (0..units).flat_map(|row| (0..units).map(move |column| (row, column)));
        trace.powi(2)
            / pairs.map(|(row, column)| entry(row, column) * entry(column, row)).sum::<f64>()
    }

    proptest! {
        #[test]
        fn the_degrees_are_those_of_the_matrix(cases in prop::collection::vec(1_u8..60, 2..12)) {
            let cases: Vec<f64> = cases.into_iter().map(f64::from).collect();
            let n = cases.iter().sum();
            let (found, expected) = (degrees_of_freedom(&cases, n), by_the_matrix(&cases, n));
            prop_assert!((found - expected).abs() < 1e-6 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn one_large_unit_leaves_few_degrees() {
        let cases = [1e6, 1.0, 1.0, 1.0];
        let found = degrees_of_freedom(&cases, cases.iter().sum());
        assert!((1.0..2.0).contains(&found), "{found}");
    }
}
