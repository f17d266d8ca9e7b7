//! Time, tokens and cost: how they are distributed, and how variants stand to the baseline in them.

use std::collections::BTreeMap;

use super::shape::{Quantiles, Ratio};
use super::table::{Ended, Measured, Table};
use crate::contrast::{Contrast, Spread};
use crate::interval::{count, cross_check};
use crate::sample::{Observation, Sample};

/// What is told about values of executions; `None` without any.
pub(super) fn quantiles(values: &[f64]) -> Option<Quantiles> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    let p95 = sorted[((sorted.len() * 95).div_ceil(100) - 1).min(last)];
    Some(Quantiles { median, p95, total: sorted.iter().sum() })
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}

/// One resource of all executions, arranged for pairing.
pub(super) struct Resource {
    name: &'static str,
    sample: Sample,
    /// Whether the sample holds logarithms.
    is_logarithmic: bool,
}

/// Returns the resources that executions tell.
pub(super) fn resources(table: &Table) -> Vec<Resource> {
    let spent = |name, value: fn(&Measured) -> Option<f64>| {
        let sample = table.sample(value);
        Resource { name, sample, is_logarithmic: false }
    };
    // Durations are skewed: a few slow calls would decide a ratio of means.
    let took = |one: &Measured| match one.ended {
        Ended::Succeeded => one.duration_s.filter(|seconds| *seconds > 0.0).map(f64::ln),
        _ => None,
    };
    let duration =
        Resource { name: "duration_s", sample: table.sample(took), is_logarithmic: true };
    let all = [duration, spent("tokens", |one| one.tokens), spent("cost", |one| one.cost)];
    all.into_iter().filter(|resource| resource.sample.cases() > 0).collect()
}

/// Returns the ratios of a variant to the baseline, of each resource that both tell.
pub(super) fn ratios(
    resources: &[Resource],
    variant: usize,
    baseline: usize,
    confidence: f64,
) -> BTreeMap<&'static str, Ratio> {
    resources
        .iter()
        .filter_map(|resource| {
            let Resource { name, sample, is_logarithmic } = resource;
            let ratio = if *is_logarithmic {
                geometric_ratio(sample, variant, baseline, confidence)
            } else {
                ratio_of_totals(sample, variant, baseline, confidence)
            };
            ratio.map(|ratio| (*name, ratio))
        })
        .collect()
}

/// The geometric mean over cases of the ratio in each case, of a sample of logarithms.
fn geometric_ratio(
    sample: &Sample,
    variant: usize,
    baseline: usize,
    confidence: f64,
) -> Option<Ratio> {
    let spread = Spread::of(sample, Contrast::Difference(variant, baseline))?;
    let (low, high) = unbounded_check(spread.clone(), confidence);
    Some(Ratio {
        ratio: spread.estimate.exp(),
        ci_low: low.map(f64::exp),
        ci_high: high.map(f64::exp),
        cases: spread.cases,
        method: "geometric mean of ratios",
    })
}

/// The ratio of the means over the cases of both. Its interval is symmetric in the logarithm, with
/// the standard error of its linearization (Cochran 1977, Sampling Techniques, 6.3).
fn ratio_of_totals(
    sample: &Sample,
    variant: usize,
    baseline: usize,
    confidence: f64,
) -> Option<Ratio> {
    let shared = sample.shared_by(&[variant, baseline]);
    let own = Spread::of(&shared, Contrast::Mean(0))?;
    let other = Spread::of(&shared, Contrast::Mean(1))?;
    if own.estimate <= 0.0 || other.estimate <= 0.0 {
        return None;
    }
    let groups: Vec<_> = shared.units().iter().map(|unit| Some(*unit)).collect();
    let linear: Vec<_> = (0..shared.cases())
        .map(|case| Observation {
            variant: 0,
            case,
            repeat: 0,
            value: shared.mean(case, 0) / own.estimate - shared.mean(case, 1) / other.estimate,
        })
        .collect();
    let linear = Spread::of(&Sample::new(1, &groups, &linear), Contrast::Mean(0))?;
    let (low, high) = unbounded_check(linear, confidence);
    let ratio = own.estimate / other.estimate;
    Some(Ratio {
        ratio,
        ci_low: low.map(|low| ratio * low.exp()),
        ci_high: high.map(|high| ratio * high.exp()),
        cases: own.cases,
        method: "ratio of totals",
    })
}

fn unbounded_check(mut spread: Spread, confidence: f64) -> (Option<f64>, Option<f64>) {
    spread.range = None;
    cross_check(&spread, confidence).unzip()
}

/// Returns the variants that no other beats in both the score and the resource; each point is a
/// variant's place, its score (larger is better) and what it uses.
pub(super) fn front(points: &[(usize, f64, f64)]) -> Vec<usize> {
    let is_beaten = |one: &(usize, f64, f64)| {
        points.iter().any(|other| {
            other.1 >= one.1 && other.2 <= one.2 && (other.1 > one.1 || other.2 < one.2)
        })
    };
    points.iter().filter(|one| !is_beaten(one)).map(|one| one.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_values() {
        assert_eq!(quantiles(&[]), None);
        let found = quantiles(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((found.median, found.p95, found.total), (2.5, 4.0, 10.0));
    }

    #[test]
    fn twice_as_slow_in_each_case_is_twice_as_slow() {
        let values = [(0, 1.0), (1, 10.0), (2, 100.0)];
        let observations: Vec<_> = values
            .iter()
            .flat_map(|(case, value): &(usize, f64)| {
                [(0, *value), (1, 2.0 * value)].map(|(variant, value)| Observation {
                    variant,
                    case: *case,
                    repeat: 0,
                    value,
                })
            })
            .collect();
        let sample = Sample::new(2, &[None; 3], &observations);
        let found = ratio_of_totals(&sample, 1, 0, 0.95).unwrap();
        assert!((found.ratio - 2.0).abs() < 1e-12 && (found.ci_low.unwrap() - 2.0).abs() < 1e-9);
        let logs: Vec<_> =
            observations.iter().map(|one| Observation { value: one.value.ln(), ..*one }).collect();
        let found = geometric_ratio(&Sample::new(2, &[None; 3], &logs), 1, 0, 0.95).unwrap();
        assert!((found.ratio - 2.0).abs() < 1e-12 && (found.ci_high.unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_front_has_whoever_is_not_beaten_in_both() {
        let points = [(0, 0.7, 1.0), (1, 0.8, 2.0), (2, 0.75, 3.0), (3, 0.7, 1.0)];
        assert_eq!(front(&points), [0, 1, 3]);
    }
}
