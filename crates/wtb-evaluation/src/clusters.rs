//! How far a mean of clustered values may be from the truth: its standard error, and how well that is known.
//!
//! The *influence* of a unit is the sum of its values' deviations from the mean over all cases.

/// Returns the variance of a mean over `n` cases in units of `cases` each; `None` for a single unit.
///
/// The sum of the squared influences over n^2, times the factor that makes it right on average where all
/// cases of a unit are alike. For units of one size that factor is C / (C - 1), the usual correction for
/// few clusters (Miller 2024, arXiv 2411.00640), and for units of one case the whole is s^2 / n. Of units of
/// several sizes one that holds many cases draws the mean to itself, so that its influence looks too
/// small; the factor is larger then. Bell and `McCaffrey` (2002), "Bias reduction in standard errors for
/// linear regression with multi-stage samples", Survey Methodology 28, 169-181.
pub(crate) fn variance(influences: &[f64], cases: &[f64], n: f64) -> Option<f64> {
    let squares: f64 = influences.iter().map(|own| own * own).sum();
    let form = Form::of(cases, n);
    (influences.len() > 1).then(|| squares / (n * n) * form.truth / form.trace)
}

/// Returns the degrees of freedom of [`variance`], 1 or more: units - 1 where all are of one size, fewer else.
///
/// Satterthwaite's approximation, as in Bell and `McCaffrey`: tr(A)^2 / tr(A A).
pub(crate) fn degrees_of_freedom(cases: &[f64], n: f64) -> f64 {
    let form = Form::of(cases, n);
    (form.trace.powi(2) / form.trace_of_square).min(count(cases.len()) - 1.0).max(1.0)
}

/// The sum of squared influences as a quadratic form of independent unit effects b: b' A b with
/// A = (I - 1 w')' D (I - 1 w'), where w are the units' shares of the cases and D has their squares.
struct Form {
    /// The variance of the mean, for effects of variance 1.
    truth: f64,
    trace: f64,
    trace_of_square: f64,
}

impl Form {
    fn of(cases: &[f64], n: f64) -> Self {
        let sum_of = |power: i32| cases.iter().map(|own| (own / n).powi(power)).sum::<f64>();
        let (second, third, fourth) = (sum_of(2), sum_of(3), sum_of(4));
        let of_diagonal = |own: &f64| {
            let share = own / n;
            let diagonal = 1.0 - 2.0 * share + second;
            share.powi(4) * (diagonal.powi(2) - (diagonal - 1.0).powi(2))
        };
        // Over all pairs of units: share^2 other^2 (second - share - other)^2.
        let of_pairs = second.powi(4) - 4.0 * second.powi(2) * third
            + 2.0 * second * fourth
            + 2.0 * third.powi(2);
        Self {
            truth: second,
            trace: second - 2.0 * third + second.powi(2),
            trace_of_square: cases.iter().map(of_diagonal).sum::<f64>() + of_pairs,
        }
    }
}

/// Efron (1987), "Better bootstrap confidence intervals", JASA 82: the skewness of the influences over 6.
pub(crate) fn acceleration(influences: &[f64]) -> f64 {
    let squares: f64 = influences.iter().map(|one| one * one).sum();
    let cubes: f64 = influences.iter().map(|one| one * one * one).sum();
    if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
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

    /// tr(A) and tr(A A) of the matrix itself.
    fn by_the_matrix(cases: &[f64], n: f64) -> (f64, f64) {
        let shares: Vec<f64> = cases.iter().map(|own| own / n).collect();
        let units = shares.len();
        let m = |row: usize, column: usize| f64::from(u8::from(row == column)) - shares[column];
        let form = |left: usize, right: usize| -> f64 {
            (0..units).map(|unit| m(unit, left) * shares[unit].powi(2) * m(unit, right)).sum()
        };
        let trace: f64 = (0..units).map(|unit| form(unit, unit)).sum();
        let squares: f64 = (0..units)
            .flat_map(|left| (0..units).map(move |right| (left, right)))
            .map(|(left, right)| form(left, right).powi(2))
            .sum();
        (trace, squares)
    }

    proptest! {
        #[test]
        fn the_form_is_that_of_the_matrix(cases in prop::collection::vec(1_u8..60, 2..12)) {
            let cases: Vec<f64> = cases.into_iter().map(f64::from).collect();
            let n = cases.iter().sum();
            let (form, (trace, squares)) = (Form::of(&cases, n), by_the_matrix(&cases, n));
            prop_assert!((form.trace - trace).abs() < 1e-9 * trace);
            prop_assert!((form.trace_of_square - squares).abs() < 1e-9 * squares);
            let found = degrees_of_freedom(&cases, n);
            prop_assert!((1.0..=count(cases.len()) - 1.0 + 1e-9).contains(&found), "{found}");
        }
    }
}
