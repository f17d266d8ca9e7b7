//! Variants side by side: coverage, means and durations from the stored executions and scores.
//!
//! Pure: rows in, [`Comparison`] out. It computes no intervals and no tests; a mean without an
//! interval is not evidence, so the comparison says so in its warnings.

mod metrics;
mod tally;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use wtb_model::{Direction, ErrorPolicy, ExecutionId, ExecutionRecord, ScoreRecord};

use metrics::order_metrics;
use tally::{durations, ratio, tally};

/// Median and 95th percentile of durations in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Durations {
    /// The median.
    pub median: f64,
    /// The 95th percentile (nearest rank).
    pub p95: f64,
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
    /// Share of the variant's executions that have a score or ended with an error, 0 to 1.
    pub coverage: f64,
    /// Mean over cases of the mean over repeats; `None` without any score.
    pub mean: Option<f64>,
    /// Lower end of the interval; not computed yet.
    pub ci_low: Option<f64>,
    /// Upper end of the interval; not computed yet.
    pub ci_high: Option<f64>,
    /// How the mean was computed.
    pub method: &'static str,
    /// Probability of being the best variant; not computed yet.
    pub p_best: Option<f64>,
    /// How many executions ended with an error.
    pub errors: u64,
    /// Cost, when it is known.
    pub cost: Option<f64>,
    /// Durations of the executions that succeeded; `None` when none did.
    pub duration_s: Option<Durations>,
    /// The paired difference to the baseline; not computed yet.
    pub vs_baseline: Option<()>,
    /// Means of every metric, by name.
    pub metrics: BTreeMap<String, Option<f64>>,
}

/// Variants side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The primary metric; `None` when nothing has a score.
    pub metric: Option<String>,
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// The confidence of the intervals; `None` until intervals are computed.
    pub confidence: Option<f64>,
    /// The baseline's name, when one of the variants is it.
    pub baseline: Option<String>,
    /// The one variant of `best_set`, when it is one.
    pub best: Option<String>,
    /// The variants that share the best mean; none where it leaves executions out, or where no other
    /// variant has a mean.
    pub best_set: Vec<String>,
    /// The variants, in the batch's order.
    pub variants: Vec<VariantLine>,
    /// Every metric, primary first, with its direction.
    pub metrics: Vec<(String, Direction)>,
    /// What a reader must know before believing any of it.
    pub warnings: Vec<String>,
}

/// What to compare by.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// The primary metric; by default the first evaluator's, else the first that was logged.
    pub metric: Option<String>,
    /// The baseline; by default the variant named `baseline`, else the first.
    pub baseline: Option<String>,
    /// How executions that ended with an error count.
    pub error: ErrorPolicy,
    /// Sources of scores in the order of their precedence for the primary metric.
    pub sources: Vec<String>,
}

struct MetricInfo {
    name: String,
    direction: Direction,
    /// Whose values count: an evaluator's name, or `workflow`.
    source: String,
}

/// Compares variants (in the given order) by their executions and scores.
pub fn compare(
    variants: &[String],
    executions: &[ExecutionRecord],
    scores: &[(ExecutionId, ScoreRecord)],
    options: &CompareOptions,
) -> Comparison {
    let metrics = order_metrics(scores, options);
    let by_execution = group_scores(scores, &metrics);
    let primary = metrics.first();
    let lines: Vec<_> = variants
        .iter()
        .map(|name| variant_line(name, executions, &by_execution, &metrics, options.error))
        .collect();
    let direction = primary.map_or(Direction::Max, |metric| metric.direction);
    let best_set = best_set(&lines, direction);
    let mut warnings = warnings::of_scores(scores, &metrics);
    warnings.extend(warnings::of_lines(&lines, primary, options.error));
    Comparison {
        metric: primary.map(|metric| metric.name.clone()),
        direction,
        confidence: None,
        baseline: pick_baseline(variants, options.baseline.as_deref()),
        best: if let [best] = best_set.as_slice() { Some(best.clone()) } else { None },
        best_set,
        variants: lines,
        metrics: metrics.into_iter().map(|metric| (metric.name, metric.direction)).collect(),
        warnings,
    }
}

type ScoresByExecution<'a> = HashMap<&'a ExecutionId, HashMap<&'a str, f64>>;

/// The values that count: of each metric only those of the source that it is taken from.
fn group_scores<'a>(
    scores: &'a [(ExecutionId, ScoreRecord)],
    metrics: &[MetricInfo],
) -> ScoresByExecution<'a> {
    let counts = |score: &ScoreRecord| {
        metrics.iter().any(|metric| metric.name == score.name && metric.source == score.source)
    };
    let mut grouped: ScoresByExecution<'_> = HashMap::new();
    for (execution, score) in scores.iter().filter(|(_, score)| counts(score)) {
        if let Some(value) = score.value {
            grouped.entry(execution).or_default().insert(&score.name, value);
        }
    }
    grouped
}

fn variant_line(
    name: &str,
    executions: &[ExecutionRecord],
    scores: &ScoresByExecution<'_>,
    metrics: &[MetricInfo],
    policy: ErrorPolicy,
) -> VariantLine {
    let own: Vec<_> = executions.iter().filter(|execution| execution.variant == name).collect();
    let errors = own.iter().filter(|execution| execution.status.is_error()).count();
    let primary = metrics.first().map(|metric| tally(&own, scores, metric, policy));
    let covered = primary.as_ref().map_or(0, |tally| tally.covered);
    VariantLine {
        name: name.to_owned(),
        executions: own.len() as u64,
        n: primary.as_ref().map_or(0, |tally| tally.counted as u64),
        cases: primary.as_ref().map_or(0, |tally| tally.cases as u64),
        coverage: ratio(covered, own.len()),
        mean: primary.and_then(|tally| tally.mean),
        ci_low: None,
        ci_high: None,
        method: "mean of case means",
        p_best: None,
        errors: errors as u64,
        cost: None,
        duration_s: durations(&own),
        vs_baseline: None,
        metrics: metrics
            .iter()
            .map(|metric| (metric.name.clone(), tally(&own, scores, metric, policy).mean))
            .collect(),
    }
}

/// The variants that share the best mean; none where that mean leaves executions out, or where no
/// other variant has a mean to compare with.
fn best_set(lines: &[VariantLine], direction: Direction) -> Vec<String> {
    let better = |left: f64, right: f64| match direction {
        Direction::Max => left > right,
        Direction::Min => left < right,
    };
    let best = lines
        .iter()
        .filter_map(|line| line.mean)
        .reduce(|best, mean| if better(mean, best) { mean } else { best });
    let Some(best) = best else { return Vec::new() };
    let tied = |mean: f64| (mean - best).abs() <= f64::EPSILON * best.abs().max(1.0);
    let set: Vec<_> = lines.iter().filter(|line| line.mean.is_some_and(tied)).collect();
    let has_rivals = lines.iter().filter(|line| line.mean.is_some()).count() > 1;
    if !has_rivals || set.iter().any(|line| line.n < line.executions) {
        return Vec::new();
    }
    set.into_iter().map(|line| line.name.clone()).collect()
}

fn pick_baseline(variants: &[String], asked: Option<&str>) -> Option<String> {
    let wanted = asked.unwrap_or("baseline");
    variants
        .iter()
        .find(|name| *name == wanted)
        .or_else(|| if asked.is_none() { variants.first() } else { None })
        .cloned()
}
