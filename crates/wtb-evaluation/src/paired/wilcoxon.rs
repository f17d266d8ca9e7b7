//! Wilcoxon's signed-rank test, as a second opinion: it asks for the median, and outliers count little.

use crate::distribution::normal_cdf;

/// Up to this many differences without ties the distribution of the ranks' sum is exact.
const EXACT_MAX: usize = 50;

/// Returns the p-value of the hypothesis that the differences are symmetric around 0; 1 when all are
/// 0.
///
/// Zeros are dropped. It is exact for at most 50 differences without ties, else the normal
/// approximation with the correction for ties, as in `scipy.stats.wilcoxon`.
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let mut sizes: Vec<(f64, bool)> =
        differences.iter().filter(|one| **one != 0.0).map(|one| (one.abs(), *one > 0.0)).collect();
    if sizes.is_empty() {
        return 1.0;
    }
    sizes.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let (positive, ties) = rank_sum(&sizes);
    let has_zeros = sizes.len() < differences.len();
    if sizes.len() <= EXACT_MAX && ties == 0.0 && !has_zeros {
        return exact(sizes.len(), positive);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
    let n = sizes.len() as f64;
    let mean = n * (n + 1.0) / 4.0;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    (2.0 * normal_cdf(-((positive - mean) / variance.sqrt()).abs())).min(1.0)
}

/// The sum of the ranks of positive differences, and the sum of t^3 - t over ties of t.
fn rank_sum(sizes: &[(f64, bool)]) -> (f64, f64) {
    let (mut sum, mut ties, mut start) = (0.0, 0.0, 0);
    while start < sizes.len() {
        let is_tied =
            |other: &&(f64, bool)| (other.0 - sizes[start].0).abs() <= 1e-12 * sizes[start].0;
        let alike = sizes[start..].iter().take_while(is_tied).count().max(1);
        #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
        let (first, count) = (start as f64, alike as f64);
        let rank = first + f64::midpoint(count, 1.0);
        let positive = sizes[start..start + alike].iter().filter(|one| one.1).count();
        #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
        let positive = positive as f64;
        sum += rank * positive;
        ties += count.powi(3) - count;
        start += alike;
    }
    (sum, ties)
}

/// Counts the subsets of the ranks 1 to n by their sums.
fn exact(n: usize, positive: f64) -> f64 {
    let total = n * (n + 1) / 2;
    let mut probabilities = vec![0.0; total + 1];
    probabilities[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=rank * (rank - 1) / 2).rev() {
            let half = probabilities[sum] / 2.0;
            probabilities[sum] = half;
            probabilities[sum + rank] += half;
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "without ties the sum of ranks is whole"
    )]
    let positive = positive.round() as usize;
    let smaller = positive.min(total - positive);
    (2.0 * probabilities[..=smaller].iter().sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_scipy() {
        // scipy.stats.wilcoxon's own example, Darwin's maize: 0.041259765625.
        let maize = [
            6.0, 8.0, 14.0, 16.0, 23.0, 24.0, 28.0, 29.0, 41.0, -48.0, 49.0, 56.0, 60.0, -67.0,
            75.0,
        ];
        assert!((wilcoxon(&maize) - 0.041_259_765_625).abs() < 1e-12);
        assert!((wilcoxon(&[0.0; 4]) - 1.0).abs() < 1e-12);
    }
}
