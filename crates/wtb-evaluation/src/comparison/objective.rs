//! One metric made of several: a weighted sum in each execution.

use wtb_model::{Direction, ScoreRecord};

use super::table::{Measured, MetricInfo, Table};

/// The name of the weighted sum.
pub const OBJECTIVE: &str = "objective";

/// What is wrong with an objective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// It names a metric that nothing gives.
    #[error("no execution has `{name}`, which the objective weighs; there are {}", known.join(", "))]
    UnknownMetric {
        /// The name.
        name: String,
        /// The metrics and resources that there are.
        known: Vec<String>,
    },
    /// It has no term.
    #[error("an objective has at least one weight")]
    Empty,
    /// A weight is no finite number.
    #[error("the weight of `{name}` is no finite number")]
    Weight {
        /// The metric.
        name: String,
    },
}

/// What an execution uses, which objectives may weigh besides metrics.
const RESOURCES: [&str; 3] = ["cost", "tokens", "duration_s"];

/// Makes the weighted sum of metrics, and of `cost`, `tokens` and `duration_s`, the primary metric; more of it is better.
/// Executions that lack one of them have none.
pub fn add_objective(table: &mut Table, weights: &[(String, f64)]) -> Result<(), ObjectiveError> {
    if weights.is_empty() {
        return Err(ObjectiveError::Empty);
    }
    let mut terms = Vec::new();
    for (name, weight) in weights {
        if !weight.is_finite() {
            return Err(ObjectiveError::Weight { name: name.clone() });
        }
        terms.push((term(table, name)?, *weight));
    }
    let values: Vec<Option<f64>> = table
        .executions
        .iter()
        .map(|one| terms.iter().map(|(term, weight)| Some(term.of(one)? * weight)).sum())
        .collect();
    for (one, value) in table.executions.iter_mut().zip(values) {
        for (place, _) in &mut one.scores {
            *place += 1;
        }
        one.scores.extend(value.map(|value| (0, value)));
    }
    // What one of its terms cannot be compared by, the sum cannot be either.
    let mixed = terms.iter().find_map(|(term, _)| match term {
        Term::Metric(place) => Some(&table.metrics[*place].origins).filter(|one| one.len() > 1),
        Term::Resource(_) => None,
    });
    let objective = MetricInfo {
        name: OBJECTIVE.to_owned(),
        direction: Direction::Max,
        source: ScoreRecord::WORKFLOW.to_owned(),
        origins: mixed.cloned().unwrap_or_default(),
    };
    table.metrics.insert(0, objective);
    Ok(())
}

enum Term {
    Metric(usize),
    Resource(&'static str),
}

impl Term {
    fn of(&self, one: &Measured) -> Option<f64> {
        match self {
            Self::Metric(place) => one.score(*place),
            Self::Resource("cost") => one.cost,
            Self::Resource("tokens") => one.tokens,
            Self::Resource(_) => one.duration_s,
        }
    }
}

fn term(table: &Table, name: &str) -> Result<Term, ObjectiveError> {
    if let Some(place) = table.metrics.iter().position(|metric| metric.name == name) {
        return Ok(Term::Metric(place));
    }
    if let Some(resource) = RESOURCES.iter().find(|resource| **resource == name) {
        return Ok(Term::Resource(resource));
    }
    let metrics = table.metrics.iter().map(|metric| metric.name.clone());
    let known = metrics.chain(RESOURCES.map(str::to_owned)).collect();
    Err(ObjectiveError::UnknownMetric { name: name.to_owned(), known })
}
