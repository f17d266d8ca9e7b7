//! What a comparison says, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;
use wtb_model::{Direction, ErrorPolicy};

use crate::multiplicity::Correction;
use crate::reliability::Reliability;

/// Median and 95th percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub median: f64,
    /// The 95th percentile (nearest rank).
    pub p95: f64,
    /// The sum.
    pub total: f64,
}

/// An interval found in another way, to see whether the shown one can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CrossCheck {
    /// How it was found: `t`.
    pub method: &'static str,
    /// Its lower end.
    pub ci_low: f64,
    /// Its upper end.
    pub ci_high: f64,
}

/// Where the differences between scores of a variant come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VarianceSplit {
    /// The variance between cases, without the noise of repeats.
    pub between_cases: f64,
    /// The variance between repeats of one case.
    pub within_cases: f64,
    /// The share of the mean's variance that repeats make, 0 to 1.
    pub noise_share: f64,
}

/// The ratio of a variant to the baseline, on the cases of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The variant's over the baseline's.
    pub ratio: f64,
    /// The interval's lower end; `None` for a single unit.
    pub ci_low: Option<f64>,
    /// The interval's upper end.
    pub ci_high: Option<f64>,
    /// How many cases both have.
    pub cases: usize,
    /// How it was found: `geometric mean of ratios`, or `ratio of totals`.
    pub method: &'static str,
}

/// The p-value of another test, as a second opinion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SecondOpinion {
    /// The test.
    pub test: &'static str,
    /// Its p-value, two-sided.
    pub p_value: f64,
}

/// A variant against the baseline, on the cases of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versus {
    /// The mean over cases of the variant's value less the baseline's.
    pub difference: f64,
    /// The interval's lower end; `None` where there is none.
    pub ci_low: Option<f64>,
    /// The interval's upper end.
    pub ci_high: Option<f64>,
    /// How the interval was found, or why there is none.
    pub method: &'static str,
    /// The p-value, two-sided.
    pub p_value: f64,
    /// The p-value, corrected for the number of variants that are compared with the baseline.
    pub p_adjusted: f64,
    /// The test.
    pub test: &'static str,
    /// Another test.
    pub second: SecondOpinion,
    /// Cases in which the variant is better.
    pub wins: usize,
    /// Cases in which both are alike.
    pub ties: usize,
    /// Cases in which the baseline is better.
    pub losses: usize,
    /// How many cases both have.
    pub cases: usize,
    /// How many units (groups, and cases without one) these are.
    pub units: usize,
    /// The smallest difference that this many cases would have found in 80 of 100 batches.
    pub detectable: Option<f64>,
    /// How many cases it takes to find a difference of the size found, in 80 of 100 batches; `None`
    /// where it is 0 or settled.
    pub cases_needed: Option<usize>,
    /// The share of the difference's variance that repeats make; `None` without repeats.
    pub noise_share: Option<f64>,
    /// The skewness of the differences, 0 where they are symmetric.
    pub skewness: f64,
    /// Time taken, tokens and cost as ratios; those that both have.
    pub ratios: BTreeMap<&'static str, Ratio>,
}

/// One variant's line of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantLine {
    /// The variant's name.
    pub name: String,
    /// How many executions the variant has.
    pub executions: u64,
    /// How many executions count in the mean.
    pub n: u64,
    /// How many cases count in the mean.
    pub cases: u64,
    /// How many units (groups, and cases without one) these are.
    pub units: u64,
    /// Share of the variant's executions that have a score or ended with an error, 0 to 1.
    pub coverage: f64,
    /// Mean over cases of the mean over repeats; `None` without any score.
    pub mean: Option<f64>,
    /// Lower end of the interval; `None` where there is none.
    pub ci_low: Option<f64>,
    /// Upper end of the interval.
    pub ci_high: Option<f64>,
    /// How the interval was found, or why there is none.
    pub method: &'static str,
    /// The interval by Student's t.
    pub cross_check: Option<CrossCheck>,
    /// Whether it takes part in the contest for the best: it has enough cases.
    pub competes: bool,
    /// The chance of having the best mean; `None` for who does not compete, and for too few units.
    pub p_best: Option<f64>,
    /// The chances of being first, second, and so on.
    pub ranks: Vec<f64>,
    /// What repeats say, for scores of 0 and 1.
    pub reliability: Option<Reliability>,
    /// Where the differences between its scores come from; `None` without repeats.
    pub variance: Option<VarianceSplit>,
    /// How many executions ended with an error.
    pub errors: u64,
    /// Mean cost of an execution, when it is known.
    pub cost: Option<f64>,
    /// Tokens of the executions that told them.
    pub tokens: Option<Quantiles>,
    /// Durations of the executions that succeeded, in seconds; `None` when none did.
    pub duration_s: Option<Quantiles>,
    /// The variant against the baseline; `None` for the baseline itself, and without common cases.
    pub vs_baseline: Option<Versus>,
    /// Means of every metric, by name.
    pub metrics: BTreeMap<String, Option<f64>>,
}

/// What a choice on one axis of a grid does, or what two choices do together beyond what each does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Axis and choice, one pair for a main effect, two for an interaction.
    pub choices: Vec<(String, String)>,
    /// The choices that they are compared with, in the same order.
    pub references: Vec<String>,
    /// The effect on the primary metric, averaged over the other axes.
    pub effect: f64,
    /// The interval's lower end; `None` where there is none.
    pub ci_low: Option<f64>,
    /// The interval's upper end.
    pub ci_high: Option<f64>,
    /// The p-value of a sign-flip test, two-sided.
    pub p_value: f64,
    /// The p-value, corrected for the number of effects.
    pub p_adjusted: f64,
    /// How many combinations of the other axes it is averaged over.
    pub combinations: usize,
    /// How many cases all of these variants have.
    pub cases: usize,
}

/// Who would be best if errors counted in another way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// How errors would count.
    pub error: ErrorPolicy,
    /// The one best variant, if there is one.
    pub best: Option<String>,
    /// The variants that cannot be told apart from the one with the best mean.
    pub best_set: Vec<String>,
}

/// A case on which a variant is worse than the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// The variant.
    pub variant: String,
    /// The case.
    pub case_id: String,
    /// The baseline's mean over the repeats that both have.
    pub baseline: f64,
    /// The variant's.
    pub mean: f64,
}

/// Variants side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The primary metric; `None` when nothing has a score.
    pub metric: Option<String>,
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// The confidence of intervals and findings over all looks, as 0.95.
    pub confidence: f64,
    /// How often results may be looked at in order to decide whether to go on.
    pub looks: u32,
    /// The confidence that intervals and findings of this one look have for that.
    pub confidence_each: f64,
    /// How p-values are corrected.
    pub correction: Correction,
    /// How executions that ended with an error count.
    pub error: ErrorPolicy,
    /// Whether they count as 0: not with another policy, and not where 0 would be a reward.
    pub errors_are_zero: bool,
    /// The baseline's name, when one of the variants is it.
    pub baseline: Option<String>,
    /// The variant that is better than all others, as far as chance can be excluded; else `None`.
    pub best: Option<String>,
    /// The variants that cannot be told apart from the one with the best mean; none without a
    /// contest.
    pub best_set: Vec<String>,
    /// The variant with the best mean, on the cases that all have.
    pub leader: Option<String>,
    /// How many cases the contest was held on.
    pub contest_cases: usize,
    /// The variants, in the batch's order.
    pub variants: Vec<VariantLine>,
    /// The largest losses to the baseline in single cases; of all variants together, up to [`REGRESSIONS_MAX`].
    ///
    /// [`REGRESSIONS_MAX`]: super::REGRESSIONS_MAX
    pub regressions: Vec<Regression>,
    /// What the choices on the axes of a grid do.
    pub effects: Vec<Effect>,
    /// For each of `cost`, `tokens` and `duration_s` the variants that no other beats in both that
    /// and the primary metric.
    pub pareto: BTreeMap<&'static str, Vec<String>>,
    /// What would be best under other policies; none without errors.
    pub sensitivity: Vec<Sensitivity>,
    /// Every metric, primary first, with its direction.
    pub metrics: Vec<(String, Direction)>,
    /// How many draws the bootstrap made.
    pub draws: usize,
    /// What seeded them.
    pub seed: u64,
    /// What a reader must know before believing any of it.
    pub warnings: Vec<String>,
}
