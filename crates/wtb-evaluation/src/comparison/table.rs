//! What is compared: the executions of some variants on some cases, with all of their scores.

use serde::{Deserialize, Serialize};
use wtb_model::Direction;

use crate::sample::{Observation, Sample, VALUE_MAX};

/// No table has more repeats.
const REPEATS_MAX: u32 = 1_000_000;

/// A variant, and what was chosen on each axis of its grid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantInfo {
    /// Its name.
    pub name: String,
    /// Axis and choice, such as `("retriever", "dense")`.
    pub factors: Vec<(String, String)>,
}

/// A case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// Its id.
    pub id: String,
    /// The group of cases that it belongs to, if any.
    pub group: Option<String>,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricInfo {
    /// Its name.
    pub name: String,
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// Whose values count: an evaluator's name, or `workflow`.
    pub source: String,
    /// Where the values come from: sources with their versions, sorted. Several where tables are joined, or an
    /// evaluator has changed.
    pub origins: Vec<Origin>,
}

/// An evaluator, or `workflow`, with its version where it has one.
pub type Origin = (String, Option<String>);

impl MetricInfo {
    /// Says that the values come from several origins, when it is so: they may measure different things.
    pub(super) fn mixed(&self) -> Option<String> {
        let Self { name, origins, .. } = self;
        let mut sources: Vec<_> = origins.iter().map(|(source, _)| format!("`{source}`")).collect();
        sources.dedup();
        match (sources.as_slice(), origins.len()) {
            (_, 0 | 1) => None,
            ([source], count) => {
                Some(format!("`{name}` was scored by {count} versions of evaluator {source}"))
            }
            (several, _) => Some(format!("`{name}` was given by {}", several.join(" and by "))),
        }
    }
}

/// Where an execution stands, as far as a comparison cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It reached the workflow's end.
    Succeeded,
    /// It failed or timed out.
    WithError,
    /// It has not ended, or was given up.
    Open,
}

/// One execution as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its variant's place.
    pub variant: usize,
    /// Its case's place.
    pub case: usize,
    /// Its repeat's number.
    pub repeat: u32,
    /// Where it stands.
    pub ended: Ended,
    /// How long it took, in seconds.
    pub duration_s: Option<f64>,
    /// How many tokens its models read and wrote.
    pub tokens: Option<f64>,
    /// What it cost.
    pub cost: Option<f64>,
    /// Its scores: the metric's place, and a finite value.
    pub scores: Vec<(usize, f64)>,
}

impl Measured {
    /// Returns its value of a metric.
    pub fn score(&self, metric: usize) -> Option<f64> {
        self.scores.iter().find(|(place, _)| *place == metric).map(|(_, value)| *value)
    }
}

/// Everything that a comparison is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The variants, in the order in which they are shown.
    pub variants: Vec<VariantInfo>,
    /// The cases.
    pub cases: Vec<CaseInfo>,
    /// The metrics; the first is the primary one.
    pub metrics: Vec<MetricInfo>,
    /// The executions.
    pub executions: Vec<Measured>,
    /// What is odd about how the table came about.
    pub notes: Vec<String>,
}

impl Table {
    /// Arranges a value of executions as a sample, without the cases for which `value` has none.
    pub fn sample(&self, value: impl Fn(&Measured) -> Option<f64>) -> Sample {
        let observations = self.observations(value);
        let kept = self.with_values(&observations);
        let groups = self.group_places();
        let groups: Vec<_> = kept.iter().map(|case| groups[*case]).collect();
        let mut place = vec![0; self.cases.len()];
        for (new, old) in kept.into_iter().enumerate() {
            place[old] = new;
        }
        let moved = |one: Observation| Observation { case: place[one.case], ..one };
        let observations: Vec<_> = observations.into_iter().map(moved).collect();
        Sample::new(self.variants.len(), &groups, &observations)
    }

    /// Returns the places of the cases that [`Table::sample`] has, in its order.
    pub fn sampled_cases(&self, value: impl Fn(&Measured) -> Option<f64>) -> Vec<usize> {
        self.with_values(&self.observations(value))
    }

    fn observations(&self, value: impl Fn(&Measured) -> Option<f64>) -> Vec<Observation> {
        self.executions
            .iter()
            .filter_map(|one| {
                let value = value(one).filter(|value| value.abs() <= VALUE_MAX)?;
                let Measured { variant, case, repeat, .. } = *one;
                Some(Observation { variant, case, repeat, value })
            })
            .collect()
    }

    /// The cases that any of the observations is of.
    fn with_values(&self, observations: &[Observation]) -> Vec<usize> {
        let mut is_seen = vec![false; self.cases.len()];
        for one in observations {
            is_seen[one.case] = true;
        }
        (0..is_seen.len()).filter(|case| is_seen[*case]).collect()
    }

    /// Returns whether all executions are of variants, cases and metrics that the table has, with numbers of
    /// repeats that it has room for.
    pub fn is_consistent(&self) -> bool {
        self.executions.iter().all(|one| {
            one.variant < self.variants.len()
                && one.case < self.cases.len()
                && one.repeat < REPEATS_MAX
                && one.scores.iter().all(|(place, _)| *place < self.metrics.len())
        })
    }

    /// Adds the variants and executions of another table. Cases of one id are one case, metrics of one
    /// name one metric, with the direction that they have here.
    pub fn join(&mut self, other: Self) {
        let first_variant = self.variants.len();
        self.variants.extend(other.variants);
        let metric_places: Vec<usize> =
            other.metrics.into_iter().map(|metric| self.metric_place(metric)).collect();
        let mut known: std::collections::HashMap<String, usize> =
            self.cases.iter().zip(0..).map(|(case, place)| (case.id.clone(), place)).collect();
        let case_places: Vec<usize> = other
            .cases
            .into_iter()
            .map(|case| {
                *known.entry(case.id.clone()).or_insert_with(|| {
                    self.cases.push(case);
                    self.cases.len() - 1
                })
            })
            .collect();
        self.executions.extend(other.executions.into_iter().map(|mut one| {
            one.variant += first_variant;
            one.case = case_places[one.case];
            for (place, _) in &mut one.scores {
                *place = metric_places[*place];
            }
            one
        }));
        self.notes.extend(other.notes);
    }

    fn metric_place(&mut self, metric: MetricInfo) -> usize {
        let Some(place) = self.metrics.iter().position(|known| known.name == metric.name) else {
            self.metrics.push(metric);
            return self.metrics.len() - 1;
        };
        if self.metrics[place].direction != metric.direction {
            let here = self.metrics[place].direction.as_str();
            self.notes.push(format!("`{}` had another direction; {here} counts", metric.name));
        }
        let known = &mut self.metrics[place].origins;
        known.extend(metric.origins);
        known.sort_unstable();
        known.dedup();
        place
    }

    /// The group of each case as a number.
    fn group_places(&self) -> Vec<Option<u32>> {
        let mut known = std::collections::HashMap::new();
        self.cases
            .iter()
            .map(|case| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                case.group.as_deref().map(|group| *known.entry(group).or_insert(next))
            })
            .collect()
    }
}
