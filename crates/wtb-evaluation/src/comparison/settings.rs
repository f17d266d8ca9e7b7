//! How comparisons are made.

use wtb_model::ErrorPolicy;

use crate::multiplicity::Correction;

/// How many draws the bootstrap makes unless it is said.
pub const DRAWS: usize = 10_000;

/// Surer than this nothing is computed.
const CONFIDENCE_MAX: f64 = 1.0 - 1e-9;

/// How a comparison is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The baseline; by default the variant named `baseline`, else the first.
    pub baseline: Option<String>,
    /// How executions that ended with an error count.
    pub error: ErrorPolicy,
    /// The confidence of intervals and findings, above 0.5 and below 1.
    pub confidence: f64,
    /// How often results may be looked at in order to decide whether to go on; at least 1. The error is
    /// split evenly among the looks (Bonferroni), so that it holds over all of them.
    pub looks: u32,
    /// How p-values are corrected for the number of variants.
    pub correction: Correction,
    /// How many draws the bootstrap makes, at least 100.
    pub draws: usize,
    /// What seeds them.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            baseline: None,
            error: ErrorPolicy::Zero,
            confidence: 0.95,
            looks: 1,
            correction: Correction::Holm,
            draws: DRAWS,
            seed: 0,
        }
    }
}

impl Settings {
    /// Returns the confidence of a single look.
    pub fn confidence_each(&self) -> f64 {
        (1.0 - (1.0 - self.confidence) / f64::from(self.looks.max(1))).min(CONFIDENCE_MAX)
    }

    /// Returns settings for one look that is as sure as all have to be.
    pub(super) fn of_one_look(&self) -> Self {
        Self { confidence: self.confidence_each(), looks: 1, ..self.clone() }
    }
}
