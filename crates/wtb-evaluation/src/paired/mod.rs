//! Tests of paired differences: whether one variant is better than another on the same cases.
//!
//! All p-values are two-sided.

mod mcnemar;
mod sign_flip;
mod wilcoxon;

pub use mcnemar::mcnemar;
pub use sign_flip::{SignFlip, sign_flip};
pub use wilcoxon::wilcoxon;

use crate::contrast::{Contrast, Spread};
use crate::distribution::t_two_sided;
use crate::interval::count;
use crate::sample::Sample;
use crate::skewness;

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The test's name.
    pub test: &'static str,
    /// Its p-value, two-sided.
    pub p_value: f64,
}

/// Makes the test that suits a difference: McNemar's for zeros and ones, one for each case; else
/// flips of the signs of units, or a t test corrected for skewness where that finds less.
///
/// # Panics
///
/// If the contrast is no difference of two variants of the sample.
pub fn paired_test(sample: &Sample, contrast: Contrast, spread: &Spread, seed: u64) -> PairedTest {
    let is_simple = |variant: &usize| sample.is_single(*variant) && sample.is_binary(*variant);
    if !sample.is_grouped() && contrast.variants().iter().all(is_simple) {
        let count = |is_counted: fn(&f64) -> bool| {
            spread.unit_sums.iter().filter(|one| is_counted(one)).count() as u64
        };
        let p_value = mcnemar(count(|one| *one > 0.0), count(|one| *one < 0.0));
        return PairedTest { test: "mcnemar (exact)", p_value };
    }
    let (p_value, how) = sign_flip(&spread.unit_sums, seed);
    against_the_tail(&spread.unit_sums)
        .filter(|test| test.p_value > p_value)
        .unwrap_or(PairedTest { test: how.as_str(), p_value })
}

/// Tests by Student's t, corrected for skewness, where the long tail is on the other side than the
/// finding: flips of signs take differences to be symmetric, and there what was not seen would speak
/// against it. Zeros say nothing here either.
fn against_the_tail(differences: &[f64]) -> Option<PairedTest> {
    let sizes: Vec<f64> = differences.iter().copied().filter(|one| *one != 0.0).collect();
    let n = count(sizes.len());
    let mean = sizes.iter().sum::<f64>() / n;
    let deviations: Vec<f64> = sizes.iter().map(|one| one - mean).collect();
    let squares: f64 = deviations.iter().map(|one| one * one).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let a = deviations.iter().map(|one| one.powi(3)).sum::<f64>() / squares.powf(1.5);
    (a * mean < 0.0 && error > 1e-9 * mean.abs()).then(|| PairedTest {
        test: "t, corrected for skewness",
        p_value: t_two_sided(skewness::transformed(mean / error, a), n - 1.0),
    })
}
