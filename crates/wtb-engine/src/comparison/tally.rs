//! The arithmetic of one line: means over cases, coverage, durations.

use std::collections::BTreeMap;

use wtb_model::{Direction, ErrorPolicy, ExecutionRecord, ExecutionStatus};

use super::{Durations, MetricInfo, ScoresByExecution};

/// What the executions of one variant say of one metric.
pub(super) struct Tally {
    /// How many executions count in the mean.
    pub(super) counted: usize,
    /// How many have a score or ended with an error.
    pub(super) covered: usize,
    /// How many cases count in the mean.
    pub(super) cases: usize,
    /// The mean over cases of the mean over repeats.
    pub(super) mean: Option<f64>,
}

pub(super) fn tally(
    executions: &[&ExecutionRecord],
    scores: &ScoresByExecution<'_>,
    metric: &MetricInfo,
    policy: ErrorPolicy,
) -> Tally {
    let mut by_case: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    let (mut counted, mut covered, mut spoiled) = (0, 0, false);
    // A variant that succeeds without ever giving this metric has none: its failures alone would
    // make a mean of 0 beside numbers that mean something.
    let (mut with_score, mut succeeded) = (0, 0);
    for execution in executions {
        let score =
            scores.get(&execution.id).and_then(|own| own.get(metric.name.as_str())).copied();
        let failed = execution.status.is_error();
        with_score += usize::from(score.is_some());
        succeeded += usize::from(execution.status == ExecutionStatus::Succeeded);
        covered += usize::from(score.is_some() || failed);
        let value = match (failed, policy) {
            (false, _) => score,
            (true, ErrorPolicy::Zero) => (metric.direction == Direction::Max).then_some(0.0),
            (true, ErrorPolicy::Exclude) => None,
            (true, ErrorPolicy::Fail) => {
                spoiled = true;
                None
            }
        };
        if let Some(value) = value {
            counted += 1;
            let case = by_case.entry(&execution.case_id).or_default();
            case.0 += value;
            case.1 += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let case_means: Vec<_> = by_case.values().map(|(sum, count)| sum / *count as f64).collect();
    let is_meant = with_score > 0 || succeeded == 0;
    let mean = mean(&case_means).filter(|_| is_meant && !spoiled);
    Tally { counted, covered, cases: by_case.len(), mean }
}

fn mean(values: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub(super) fn durations(executions: &[&ExecutionRecord]) -> Option<Durations> {
    let mut micros: Vec<_> = executions
        .iter()
        .filter(|execution| execution.status == ExecutionStatus::Succeeded)
        .filter_map(|execution| execution.duration_us)
        .collect();
    if micros.is_empty() {
        return None;
    }
    micros.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
    let seconds = |index: usize| micros[index.min(micros.len() - 1)] as f64 / 1e6;
    let middle = micros.len() / 2;
    let median = if micros.len() % 2 == 1 {
        seconds(middle)
    } else {
        f64::midpoint(seconds(middle - 1), seconds(middle))
    };
    Some(Durations { median, p95: seconds((micros.len() * 95).div_ceil(100) - 1) })
}
