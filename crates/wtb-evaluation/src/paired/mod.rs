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
use crate::sample::Sample;

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The test's name.
    pub test: &'static str,
    /// Its p-value, two-sided.
    pub p_value: f64,
}

/// Makes the test that suits a difference: McNemar's for zeros and ones, one for each case; else
/// flips of the signs of units.
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
    PairedTest { test: how.as_str(), p_value }
}
