//! McNemar's test in its exact form.

use crate::distribution::fair_coins_cdf;

/// Returns the p-value of the hypothesis that discordant pairs fall to either side alike: `gained`
/// are those where the first alone succeeded, `lost` those where the second did.
///
/// McNemar (1947), Psychometrika 12, 153-157, with the binomial distribution in the place of chi
/// squared. Without discordant pairs it is 1.
pub fn mcnemar(gained: u64, lost: u64) -> f64 {
    (2.0 * fair_coins_cdf(gained.min(lost), gained + lost)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_binomial_of_the_discordant_pairs() {
        // scipy: binomtest(2, 12).pvalue, binomtest(0, 5).pvalue.
        assert!((mcnemar(10, 2) - 0.038_574_218_75).abs() < 1e-12);
        assert!((mcnemar(0, 5) - 0.0625).abs() < 1e-12);
        assert!((mcnemar(4, 4) - 1.0).abs() < 1e-12);
        assert!((mcnemar(0, 0) - 1.0).abs() < 1e-12);
    }
}
