//! Score intervals of proportions, which hold for few cases and at the edges, where Wald's do not.

use crate::distribution::two_sided_z;

/// Returns Wilson's score interval of `successes` of `n`, `n` > 0. Successes may be fractional.
///
/// Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
pub fn wilson(successes: f64, n: f64, confidence: f64) -> (f64, f64) {
    let z = two_sided_z(confidence);
    let p = successes / n;
    let denominator = 1.0 + z * z / n;
    let center = (p + z * z / (2.0 * n)) / denominator;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).max(0.0).sqrt() / denominator;
    // At the edges rounding would leave the interval short of 0 or 1 by an ulp.
    let low = if successes <= 0.0 { 0.0 } else { (center - half).max(0.0) };
    let high = if successes >= n { 1.0 } else { (center + half).min(1.0) };
    (low, high)
}

/// Returns Tango's score interval of the difference of two paired proportions, (`gained` - `lost`) / `n`.
///
/// `gained` pairs have a success in the first alone, `lost` in the second alone, `n` > 0 pairs there
/// are. Fractional counts are sums of positive and of negative differences in [-1, 1]: their
/// variance is not larger than that of whole ones, so that the interval is then conservative.
///
/// Tango (1998), "Equivalence test and confidence interval for the difference in proportions for the
/// paired-sample design", Statistics in Medicine 17, 891-908.
pub fn tango(gained: f64, lost: f64, n: f64, confidence: f64) -> (f64, f64) {
    let z = two_sided_z(confidence);
    let estimate = (gained - lost) / n;
    let is_inside = |difference: f64| tango_score(gained, lost, n, difference).abs() <= z;
    (edge(estimate, -1.0, is_inside), edge(estimate, 1.0, is_inside))
}

/// Halvings after which an interval of length 2 is shorter than the precision of its ends.
const HALVINGS: u32 = 60;

/// Returns the last place on the way from `inside` to `outside` where `is_inside` holds.
fn edge(mut inside: f64, mut outside: f64, is_inside: impl Fn(f64) -> bool) -> f64 {
    if is_inside(outside) {
        return outside;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if is_inside(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// The score statistic of the hypothesis that the true difference is `difference`; it falls with it.
pub(crate) fn tango_score(gained: f64, lost: f64, n: f64, difference: f64) -> f64 {
    let numerator = gained - lost - n * difference;
    // The likelihood's maximum under the hypothesis, of the probability of a lost pair.
    let a = 2.0 * n;
    let b = (2.0 * n - gained + lost) * difference - gained - lost;
    let c = -lost * difference * (1.0 - difference);
    let lost_rate = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
    let variance = n * (2.0 * lost_rate + difference * (1.0 - difference));
    if numerator.abs() < 1e-12 {
        return 0.0;
    }
    numerator / variance.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: (f64, f64), low: f64, high: f64) {
        assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{found:?}");
    }

    #[test]
    fn wilson_gives_the_published_intervals() {
        // Newcombe (1998), Statistics in Medicine 17, 857-872, Table I, method 3.
        near(wilson(81.0, 263.0, 0.95), 0.2553, 0.3662);
        near(wilson(15.0, 148.0, 0.95), 0.0624, 0.1605);
        near(wilson(0.0, 20.0, 0.95), 0.0, 0.1611);
        near(wilson(1.0, 29.0, 0.95), 0.0061, 0.1718);
    }

    #[test]
    fn without_discordant_pairs_tango_is_the_rule_of_z_squared() {
        let z2 = 1.959_963_984_540_054_f64.powi(2);
        near(tango(0.0, 0.0, 50.0, 0.95), -z2 / (50.0 + z2), z2 / (50.0 + z2));
    }

    proptest! {
        #[test]
        fn tango_is_antisymmetric_contains_the_estimate_and_stays_in_range(
            gained in 0_u32..40, lost in 0_u32..40, others in 0_u32..80, confidence in 0.5..0.999
        ) {
            prop_assume!(gained + lost + others > 0);
            let (gained, lost) = (f64::from(gained), f64::from(lost));
            let n = gained + lost + f64::from(others);
            let (low, high) = tango(gained, lost, n, confidence);
            let (mirrored_low, mirrored_high) = tango(lost, gained, n, confidence);
            prop_assert!((low + mirrored_high).abs() < 1e-9 && (high + mirrored_low).abs() < 1e-9);
            let estimate = (gained - lost) / n;
            prop_assert!(-1.0 <= low && low <= estimate && estimate <= high && high <= 1.0);
        }
    }
}
