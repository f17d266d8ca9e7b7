//! Which values count: scores, and what the error policy makes of executions that have none.

use wtb_model::{Direction, ErrorPolicy};

use super::table::{Ended, Measured, Table};
use crate::sample::Sample;

/// How one metric is counted.
pub(super) struct Counting {
    metric: usize,
    /// Whether executions that ended with an error count as 0.
    pub(super) errors_are_zero: bool,
    /// Whether each variant has values at all.
    counts: Vec<bool>,
}

impl Counting {
    pub(super) fn new(table: &Table, metric: usize, policy: ErrorPolicy) -> Self {
        let variants = table.variants.len();
        let (mut scored, mut succeeded, mut failed) =
            (vec![false; variants], vec![false; variants], vec![false; variants]);
        for one in &table.executions {
            scored[one.variant] |= one.score(metric).is_some();
            succeeded[one.variant] |= one.ended == Ended::Succeeded;
            failed[one.variant] |= one.ended == Ended::WithError;
        }
        let counts = (0..variants)
            .map(|variant| {
                // A variant that succeeds without ever giving this metric has none: its failures
                // alone would make a mean of 0 beside numbers that mean something.
                let is_meant = scored[variant] || !succeeded[variant];
                is_meant && !(policy == ErrorPolicy::Fail && failed[variant])
            })
            .collect();
        let values = table.executions.iter().filter_map(|one| one.score(metric));
        // Where smaller is better, or values are below 0, a 0 would be a reward.
        let is_penalty =
            table.metrics[metric].direction == Direction::Max && values.fold(0.0, f64::min) >= 0.0;
        let errors_are_zero = policy == ErrorPolicy::Zero && is_penalty;
        Self { metric, errors_are_zero, counts }
    }

    /// Returns what an execution counts as.
    pub(super) fn value(&self, one: &Measured) -> Option<f64> {
        if !self.counts[one.variant] {
            return None;
        }
        if one.ended != Ended::WithError {
            return one.score(self.metric);
        }
        self.errors_are_zero.then_some(0.0)
    }

    pub(super) fn sample(&self, table: &Table) -> Sample {
        table.sample(|one| self.value(one))
    }
}

/// What the executions of one variant say without statistics.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) executions: u64,
    pub(super) errors: u64,
    /// How many have a score of the primary metric or ended with an error.
    pub(super) covered: u64,
    /// How many count in the mean of the primary metric.
    pub(super) counted: u64,
    /// How many have a score of it.
    pub(super) scored: u64,
    pub(super) durations: Vec<f64>,
    pub(super) tokens: Vec<f64>,
    pub(super) costs: Vec<f64>,
}

impl Tally {
    /// The share of executions that neither have a score nor ended with an error.
    pub(super) fn missing(&self) -> f64 {
        1.0 - super::share(self.covered, self.executions)
    }
}

/// A variant of which a larger share of scores is missing than of another is not called better than it:
/// what is missing may be the reason.
pub(super) const MISSING_SHARE_MAX: f64 = 0.01;

pub(super) fn tally(table: &Table, counting: Option<&Counting>) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); table.variants.len()];
    for one in &table.executions {
        let tally = &mut tallies[one.variant];
        tally.executions += 1;
        let is_error = one.ended == Ended::WithError;
        tally.errors += u64::from(is_error);
        if let Some(counting) = counting {
            tally.covered += u64::from(is_error || one.score(counting.metric).is_some());
            tally.counted += u64::from(counting.value(one).is_some());
            tally.scored += u64::from(one.score(counting.metric).is_some());
        }
        if one.ended == Ended::Succeeded {
            tally.durations.extend(one.duration_s);
        }
        tally.tokens.extend(one.tokens);
        tally.costs.extend(one.cost);
    }
    tallies
}
