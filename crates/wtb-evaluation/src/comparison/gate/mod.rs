//! The gate: whether a candidate may replace a baseline, or has become worse, or whether nobody can tell.

mod judge;
mod measure;

use serde::Serialize;
use wtb_model::Direction;

use super::counting::{Counting, Tally, tally};
use super::table::{MetricInfo, Table};
use super::{Settings, share};
use judge::{Doubts, doubt, judge};
use measure::measure;

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The candidate is not worse by more than the margin, as far as chance can be excluded.
    Pass,
    /// The candidate is worse, by the margin or more, as far as chance can be excluded.
    Regression,
    /// Neither can be said.
    Inconclusive,
}

impl Outcome {
    /// Returns the word used in JSON, in Python and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Regression => "regression",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a gate is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct GateSettings {
    /// The place of the variant that is to pass.
    pub candidate: usize,
    /// The place of the variant that it is measured against.
    pub baseline: usize,
    /// By how much the metric may become worse, in its own units; not negative.
    pub max_regression: f64,
    /// How intervals are made, and how errors count. Its baseline is not read.
    pub statistics: Settings,
}

/// A gate's answer, and what it is based on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub reason: String,
    /// The metric.
    pub metric: Option<String>,
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// The variant that was to pass.
    pub candidate: String,
    /// The variant that it was measured against.
    pub baseline: String,
    /// By how much the metric might have become worse.
    pub max_regression: f64,
    /// How sure the interval is, over all looks.
    pub confidence: f64,
    /// How often results may be looked at in order to decide whether to go on.
    pub looks: u32,
    /// The candidate's mean less the baseline's, on the cases of both.
    pub difference: Option<f64>,
    /// The interval's lower end; `None` where there is none.
    pub ci_low: Option<f64>,
    /// The interval's upper end.
    pub ci_high: Option<f64>,
    /// How the interval was found, or why there is none.
    pub method: &'static str,
    /// The p-value of the hypothesis that there is no difference, two-sided.
    pub p_value: Option<f64>,
    /// The test.
    pub test: Option<&'static str>,
    /// Cases in which the candidate is better.
    pub wins: usize,
    /// Cases in which both are alike.
    pub ties: usize,
    /// Cases in which the baseline is better.
    pub losses: usize,
    /// How many cases both have.
    pub cases: usize,
    /// How many units (groups, and cases without one) these are.
    pub units: usize,
    /// The share of the candidate's executions that count, 0 to 1.
    pub coverage: f64,
    /// How many of the candidate's executions ended with an error.
    pub candidate_errors: u64,
    /// How many of the baseline's did.
    pub baseline_errors: u64,
    /// The smallest difference that these cases would have found in 80 of 100 batches.
    pub detectable: Option<f64>,
    /// How many cases would settle it in 80 of 100 batches, if the true difference is the one found.
    pub cases_needed: Option<usize>,
    /// How many cases would let the candidate pass in 80 of 100 batches, if nothing has changed.
    pub cases_needed_if_unchanged: Option<usize>,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// Judges a candidate by the first metric of a table.
///
/// It passes when the paired interval lies above the margin, regresses when the interval lies on the
/// wrong side of 0 and the estimate is at or beyond the margin, and is inconclusive otherwise. A candidate
/// whose errors or missing scores are left out passes only if they cannot be the reason why.
///
/// # Panics
///
/// If candidate or baseline is no place of a variant.
pub fn gate(table: &Table, settings: &GateSettings) -> Verdict {
    let asked = &settings.statistics;
    let statistics = &settings.statistics.of_one_look();
    let settings = &GateSettings { statistics: statistics.clone(), ..settings.clone() };
    let (candidate, baseline) = (settings.candidate, settings.baseline);
    let counting = (!table.metrics.is_empty()).then(|| Counting::new(table, 0, statistics.error));
    let tallies = tally(table, counting.as_ref());
    let mut verdict = Verdict {
        outcome: Outcome::Inconclusive,
        reason: String::new(),
        metric: table.metrics.first().map(|metric| metric.name.clone()),
        direction: table.metrics.first().map_or(Direction::Max, |metric| metric.direction),
        candidate: table.variants[candidate].name.clone(),
        baseline: table.variants[baseline].name.clone(),
        max_regression: settings.max_regression,
        confidence: asked.confidence,
        looks: asked.looks,
        difference: None,
        ci_low: None,
        ci_high: None,
        method: "none: no score",
        p_value: None,
        test: None,
        wins: 0,
        ties: 0,
        losses: 0,
        cases: 0,
        units: 0,
        coverage: share(tallies[candidate].counted, tallies[candidate].executions),
        candidate_errors: tallies[candidate].errors,
        baseline_errors: tallies[baseline].errors,
        detectable: None,
        cases_needed: None,
        cases_needed_if_unchanged: None,
        warnings: table.notes.clone(),
    };
    let own = (&tallies[candidate], &tallies[baseline]);
    let doubts = Doubts {
        of_both: table.metrics.first().and_then(MetricInfo::mixed),
        of_passing: counting.as_ref().and_then(|counting| doubt(counting, own.0, own.1)),
    };
    if let Some(counting) = &counting {
        for (name, tally) in [(&verdict.candidate, own.0), (&verdict.baseline, own.1)] {
            verdict.warnings.extend(said_errors(name, tally, counting));
        }
    }
    let ends = counting.and_then(|counting| measure(&mut verdict, table, &counting, settings));
    let most = cases_of(table, candidate).max(cases_of(table, baseline));
    if verdict.cases > 0 && verdict.cases < most {
        let shared = verdict.cases;
        verdict.warnings.push(format!("the two are compared on {shared} of {most} cases"));
    }
    (verdict.outcome, verdict.reason) = judge(&verdict, ends, doubts, statistics.error);
    verdict
}

fn said_errors(name: &str, tally: &Tally, counting: &Counting) -> Option<String> {
    let Tally { errors, executions, .. } = tally;
    let how = if counting.errors_are_zero { "errors count as 0" } else { "errors are left out" };
    (*errors > 0).then(|| {
        format!("{errors} of {executions} executions of {name} ended with an error; {how}")
    })
}

/// How many cases a variant was run on.
fn cases_of(table: &Table, variant: usize) -> usize {
    let own = table.executions.iter().filter(|one| one.variant == variant);
    own.map(|one| one.case).collect::<std::collections::HashSet<_>>().len()
}
