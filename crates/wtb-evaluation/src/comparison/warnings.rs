//! What a reader must know before believing a comparison.

use std::collections::BTreeMap;

use wtb_model::{Direction, ErrorPolicy, ExecutionId, ScoreRecord};

use super::effects::EFFECTS_MAX;
use super::shape::{Comparison, VariantLine};
use super::table::{MetricInfo, Table};
use crate::contest::UNITS_MIN;
use crate::interval::{Method, count};
use crate::sample::VALUE_MAX;

/// Times the square of the skewness: fewer units are warned of. Cochran (1977), Sampling Techniques, 2.15, wants 25
/// for the uncorrected t.
const SKEWED_UNITS_MIN: f64 = 5.0;

/// What is odd about the scores: evaluators that failed, names that several sources give.
pub(super) fn of_scores<'a, S>(scores: impl Fn() -> S, metrics: &[MetricInfo]) -> Vec<String>
where
    S: Iterator<Item = &'a (ExecutionId, ScoreRecord)>,
{
    let mut failed: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut ignored: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (_, score) in scores() {
        if let Some(error) = &score.error {
            failed.entry(&score.source).or_insert((0, error)).0 += 1;
        }
        let metric = metrics.iter().find(|metric| metric.name == score.name);
        if let Some(metric) = metric
            && score.value.is_some()
            && metric.source != score.source
        {
            ignored.insert((&metric.name, &score.source), &metric.source);
        }
    }
    let failures = failed.into_iter().map(|(source, (count, error))| {
        let error = error.lines().next().unwrap_or_default();
        let times = if count == 1 { "once" } else { &*format!("{count} times, first") };
        format!("evaluator `{source}` failed {times} with {error}")
    });
    let clashes = ignored.into_iter().map(|((metric, source), counted)| {
        format!("`{metric}` is given by `{counted}` and by `{source}`; that of `{counted}` counts")
    });
    failures.chain(clashes).collect()
}

/// What is odd about the comparison itself.
pub(super) fn of(comparison: &Comparison, table: &Table) -> Vec<String> {
    let Some(primary) = &comparison.metric else {
        return vec!["no execution has a score: nothing can be compared".to_owned()];
    };
    let mut warnings: Vec<String> = errors(comparison).into_iter().collect();
    let huge = table.executions.iter().flat_map(|one| &one.scores);
    let huge = huge.filter(|(place, value)| *place == 0 && value.abs() > VALUE_MAX).count();
    if huge > 0 {
        warnings.push(format!("{huge} scores are beyond {VALUE_MAX:e} and are left out"));
    }
    let mixed = table.metrics.iter().filter_map(MetricInfo::mixed);
    warnings.extend(mixed.map(|text| format!("{text}: score all again, as with `wtb score`")));
    let with_mean = comparison.variants.iter().filter(|line| line.mean.is_some()).count();
    if with_mean == 0 {
        warnings.push(format!("no execution has a score `{primary}`"));
        return warnings;
    }
    for line in comparison.variants.iter().filter(|line| line.coverage < 1.0) {
        warnings.push(format!("{}: coverage is {:.0} %", line.name, line.coverage * 100.0));
    }
    warnings.extend(few_units(comparison));
    warnings.extend(unpaired(comparison));
    warnings.extend(hanging_on_few(comparison));
    warnings.extend(outsiders(comparison));
    warnings.extend(best_by_failing(comparison));
    warnings.extend(winner_changes(comparison));
    if comparison.effects.is_empty() && table.variants.iter().any(|one| one.factors.len() > 1) {
        let axes = table.variants.iter().map(|one| one.factors.len()).max().unwrap_or(0);
        if table.variants.len() > EFFECTS_MAX {
            warnings.push(format!(
                "the effects of {axes} axes are not computed: there are more than {EFFECTS_MAX}"
            ));
        }
    }
    warnings
}

fn errors(comparison: &Comparison) -> Option<String> {
    let errors: u64 = comparison.variants.iter().map(|line| line.errors).sum();
    let how = match (comparison.error, comparison.direction) {
        (ErrorPolicy::Zero, _) if comparison.errors_are_zero => "count as 0",
        (ErrorPolicy::Zero, Direction::Min) => "are left out, since smaller is better",
        (ErrorPolicy::Zero, Direction::Max) => "are left out, since some scores are below 0",
        (ErrorPolicy::Exclude, _) => "are left out",
        (ErrorPolicy::Fail, _) => "take their variant's mean away",
    };
    let text = format!("{errors} of the executions ended with an error; errors {how}");
    (errors > 0).then_some(text)
}

/// A comparison of one or two cases is said to be none.
fn few_units(comparison: &Comparison) -> Option<String> {
    let most = comparison.variants.iter().map(|line| line.units).max()?;
    let is_grouped = comparison.variants.iter().any(|line| line.units < line.cases);
    let what = match (is_grouped, most) {
        (true, 1) => "group of cases is",
        (true, _) => "groups of cases are",
        (false, 1) => "case is",
        (false, _) => "cases are",
    };
    (comparison.variants.len() > 1 && most < UNITS_MIN as u64)
        .then(|| format!("{most} {what} too few: no result could show a difference at 95 %"))
}

/// Variants that are measured against the baseline on other cases than it has.
fn unpaired(comparison: &Comparison) -> Vec<String> {
    let Some(baseline) = &comparison.baseline else { return Vec::new() };
    let own_cases =
        comparison.variants.iter().find(|line| line.name == *baseline).map_or(0, |line| line.cases);
    let others = comparison.variants.iter().filter(|line| line.name != *baseline);
    others
        .filter_map(|line| {
            let shared = line.vs_baseline.as_ref().map_or(0, |versus| versus.cases) as u64;
            if line.mean.is_none() || own_cases == 0 || shared == own_cases.max(line.cases) {
                return None;
            }
            Some(if shared == 0 {
                format!("{} and {baseline} have no case in common", line.name)
            } else {
                format!(
                    "{} is compared with {baseline} on the {shared} cases that both have, of {}",
                    line.name,
                    own_cases.max(line.cases)
                )
            })
        })
        .collect()
}

/// Differences so skewed that correction of skewness is not enough: simulations of costs find 7 to 11 of
/// 100 differences where there is none.
fn hanging_on_few(comparison: &Comparison) -> Option<String> {
    let baseline = comparison.baseline.as_ref()?;
    let is_skewed = |line: &&VariantLine| {
        let versus = line.vs_baseline.as_ref();
        versus.is_some_and(|versus| hangs_on_few(versus.method, versus.units, versus.skewness))
    };
    let names: Vec<_> =
        comparison.variants.iter().filter(is_skewed).map(|line| line.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "a few cases decide the difference of {} to {baseline}: p-values and intervals are too sure of it",
            names.join(", ")
        )
    })
}

/// Whether a difference of so many units is decided by a few of them.
pub(super) fn hangs_on_few(method: &str, units: usize, skewness: f64) -> bool {
    let of_values = [Method::T, Method::Bootstrap, Method::BlockBootstrap];
    let is_of_values = of_values.iter().any(|one| one.as_str() == method);
    is_of_values && count(units) < SKEWED_UNITS_MIN * skewness.powi(2)
}

/// Variants that have a mean and are out of the contest for want of cases.
fn outsiders(comparison: &Comparison) -> Vec<String> {
    let is_contest = comparison.leader.is_some();
    let out = comparison.variants.iter().filter(|line| line.mean.is_some() && !line.competes);
    let mut texts: Vec<_> = out
        .filter(|_| is_contest)
        .map(|line| format!("{} has too few cases to be compared for the best", line.name))
        .collect();
    let most = comparison.variants.iter().map(|line| line.cases).max().unwrap_or(0);
    let shared = comparison.contest_cases as u64;
    if is_contest && shared < most {
        texts.push(format!("the best is looked for on the {shared} cases that all have"));
    }
    if !is_contest && comparison.variants.iter().filter(|line| line.mean.is_some()).count() > 1 {
        texts.push("no case is common to all variants: none can be called best".to_owned());
    }
    texts
}

/// A single best variant that is not called best since its errors are left out.
fn best_by_failing(comparison: &Comparison) -> Option<String> {
    let ([only], None) = (comparison.best_set.as_slice(), &comparison.best) else { return None };
    Some(format!("{only} is not called best: its errors are left out, or its scores are missing"))
}

fn winner_changes(comparison: &Comparison) -> Vec<String> {
    comparison
        .sensitivity
        .iter()
        .filter(|other| other.best_set != comparison.best_set)
        .map(|other| {
            let how = match other.error {
                ErrorPolicy::Zero => "counted as 0",
                ErrorPolicy::Exclude | ErrorPolicy::Fail => "were left out",
            };
            let who = if other.best_set.is_empty() {
                "none".to_owned()
            } else {
                other.best_set.join(", ")
            };
            format!("if errors {how}, the best would be among: {who}")
        })
        .collect()
}
