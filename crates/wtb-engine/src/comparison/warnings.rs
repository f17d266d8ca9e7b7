//! What a reader must know before believing a comparison.

use std::collections::BTreeMap;

use wtb_model::{Direction, ErrorPolicy, ExecutionId, ScoreRecord};

use super::{MetricInfo, VariantLine};

/// What is odd about the scores: evaluators that failed, names that several sources give.
pub(super) fn of_scores(
    scores: &[(ExecutionId, ScoreRecord)],
    metrics: &[MetricInfo],
) -> Vec<String> {
    let mut failed: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut ignored: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (_, score) in scores {
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
        format!("evaluator `{source}` failed {count} times, first with {error}")
    });
    let clashes = ignored.into_iter().map(|((metric, source), counted)| {
        format!("`{metric}` is given by `{counted}` and by `{source}`; that of `{counted}` counts")
    });
    failures.chain(clashes).collect()
}

/// What is odd about the lines: errors, coverage, a metric without values, means without intervals.
pub(super) fn of_lines(
    lines: &[VariantLine],
    primary: Option<&MetricInfo>,
    policy: ErrorPolicy,
) -> Vec<String> {
    let Some(primary) = primary else {
        return vec!["no execution has a score: nothing can be compared".to_owned()];
    };
    let mut warnings = Vec::new();
    let errors: u64 = lines.iter().map(|line| line.errors).sum();
    if errors > 0 {
        let how = match (policy, primary.direction) {
            (ErrorPolicy::Zero, Direction::Max) => "count as 0",
            (ErrorPolicy::Zero, Direction::Min) => "are left out, since smaller is better",
            (ErrorPolicy::Exclude, _) => "are left out",
            (ErrorPolicy::Fail, _) => "take their variant's mean away",
        };
        warnings.push(format!("{errors} of the executions ended with an error; errors {how}"));
    }
    if lines.iter().all(|line| line.mean.is_none()) {
        warnings.push(format!("no execution has a score `{}`", primary.name));
        return warnings;
    }
    for line in lines.iter().filter(|line| line.coverage < 1.0) {
        warnings.push(format!("{}: coverage is {:.0} %", line.name, line.coverage * 100.0));
    }
    if lines.iter().filter(|line| line.mean.is_some()).count() > 1 {
        warnings.push("means only: without intervals a difference may be chance".to_owned());
    }
    warnings
}
