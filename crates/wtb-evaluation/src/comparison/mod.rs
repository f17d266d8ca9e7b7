//! Variants side by side: means with intervals, each against the baseline, and who is defensibly best.
//!
//! [`Table`] in, [`Comparison`] out; [`records`] makes a table of what a store holds.

mod analysis;
mod counting;
mod effects;
mod gate;
mod metrics;
mod objective;
mod outlook;
pub mod records;
mod regressions;
mod resources;
mod settings;
mod shape;
mod table;
#[cfg(test)]
mod tests;
mod warnings;

pub use analysis::POWER;
pub use gate::{GateSettings, Outcome, Verdict, gate};
pub use objective::{OBJECTIVE, ObjectiveError, add_objective};
pub use outlook::{Assumed, Outlook, OutlookRow, Question, assumed, outlook};
pub use regressions::REGRESSIONS_MAX;
pub use settings::{DRAWS, Settings};
pub use shape::{
    Comparison, CrossCheck, Effect, Quantiles, Ratio, Regression, SecondOpinion, Sensitivity,
    VarianceSplit, VariantLine, Versus,
};
pub use table::{CaseInfo, Ended, Measured, MetricInfo, Origin, Table, VariantInfo};

use std::collections::BTreeMap;

use wtb_model::{Direction, ErrorPolicy};

use crate::reliability::Reliability;
use crate::sample::Sample;
use analysis::{Analysis, method};
use counting::{Counting, Tally, tally};
use regressions::regressions;
use resources::{front, mean, quantiles, ratios, resources};

/// Draws of all variants together are not more than this: with many variants there are fewer draws.
pub const DRAWN_VALUES_MAX: usize = 20_000_000;

/// Compares the variants of a table by its first metric.
pub fn compare(table: &Table, settings: &Settings) -> Comparison {
    let names: Vec<_> = table.variants.iter().map(|variant| variant.name.as_str()).collect();
    let baseline = pick_baseline(&names, settings.baseline.as_deref());
    let asked = settings;
    let settings = &Settings {
        draws: settings.draws.min((DRAWN_VALUES_MAX / names.len().max(1)).max(100)),
        ..settings.of_one_look()
    };
    let primary = (!table.metrics.is_empty()).then(|| Counting::new(table, 0, settings.error));
    let tallies = tally(table, primary.as_ref());
    let direction = table.metrics.first().map_or(Direction::Max, |metric| metric.direction);
    let sample = primary.as_ref().map(|counting| counting.sample(table));
    let analysis =
        sample.as_ref().map(|sample| Analysis::new(sample, direction, baseline, settings));
    let lines = lines(table, &tallies, sample.as_ref(), analysis.as_ref(), settings, baseline);
    let contest = analysis.as_ref().and_then(|analysis| analysis.contest.as_ref());
    let name = |place: &usize| table.variants[*place].name.clone();
    let best_set: Vec<_> =
        contest.map(|contest| contest.best_set.iter().map(name).collect()).unwrap_or_default();
    let mut comparison = Comparison {
        metric: table.metrics.first().map(|metric| metric.name.clone()),
        direction,
        confidence: asked.confidence,
        looks: asked.looks,
        confidence_each: settings.confidence,
        correction: settings.correction,
        error: settings.error,
        baseline: baseline.map(|place| name(&place)),
        best: defended(&best_set, &tallies, table, primary.as_ref(), &lines),
        errors_are_zero: primary.as_ref().is_some_and(|primary| primary.errors_are_zero),
        best_set,
        leader: contest.map(|contest| name(&contest.leader)),
        contest_cases: contest.map_or(0, |contest| contest.cases),
        pareto: pareto(&lines, direction),
        variants: lines,
        regressions: match (&primary, &sample, baseline) {
            (Some(counting), Some(sample), Some(baseline)) => {
                regressions(table, counting, sample, direction, baseline)
            }
            _ => Vec::new(),
        },
        effects: sample.as_ref().map_or_else(Vec::new, |sample| {
            let Settings { confidence, correction, draws, seed, .. } = *settings;
            let settings = effects::Settings { confidence, correction, draws, seed };
            effects::effects(&table.variants, sample, baseline.unwrap_or(0), settings)
        }),
        sensitivity: sensitivity(table, &tallies, baseline, settings),
        metrics: table
            .metrics
            .iter()
            .map(|metric| (metric.name.clone(), metric.direction))
            .collect(),
        draws: settings.draws,
        seed: settings.seed,
        warnings: table.notes.clone(),
    };
    comparison.warnings.extend(warnings::of(&comparison, table));
    comparison
}

/// The one best variant, unless its own errors are left out, or more of its scores are missing than of
/// some rival: it would be best by failing.
fn defended(
    best_set: &[String],
    tallies: &[Tally],
    table: &Table,
    primary: Option<&Counting>,
    lines: &[VariantLine],
) -> Option<String> {
    let [best] = best_set else { return None };
    let place = table.variants.iter().position(|variant| variant.name == *best)?;
    let own = &tallies[place];
    let rivals = tallies.iter().zip(lines).filter(|(_, line)| line.competes);
    let fewest = rivals.map(|(tally, _)| tally.missing()).fold(1.0, f64::min);
    let are_errors_fine = primary?.errors_are_zero || own.errors == 0;
    let is_fine = are_errors_fine && own.missing() <= fewest + counting::MISSING_SHARE_MAX;
    (is_fine && own.scored > 0).then(|| best.clone())
}

fn pick_baseline(variants: &[&str], asked: Option<&str>) -> Option<usize> {
    let wanted = asked.unwrap_or("baseline");
    let first = (asked.is_none() && !variants.is_empty()).then_some(0);
    variants.iter().position(|name| *name == wanted).or(first)
}

fn lines(
    table: &Table,
    tallies: &[Tally],
    sample: Option<&Sample>,
    analysis: Option<&Analysis>,
    settings: &Settings,
    baseline: Option<usize>,
) -> Vec<VariantLine> {
    let resources = resources(table);
    let metrics = metric_means(table, settings.error);
    let place_of = |variant: usize| {
        let contest = analysis?.contest.as_ref()?;
        Some((contest, contest.variants.iter().position(|one| *one == variant)?))
    };
    let line = |(place, tally): (usize, &Tally)| {
        let own = analysis.and_then(|analysis| analysis.means[place].as_ref());
        let ends = own.and_then(|own| own.ends.ok());
        let contest = place_of(place);
        let mut vs_baseline = analysis.and_then(|analysis| analysis.versus[place].clone());
        if let (Some(versus), Some(baseline)) = (&mut vs_baseline, baseline) {
            versus.ratios = ratios(&resources, place, baseline, settings.confidence);
        }
        VariantLine {
            name: table.variants[place].name.clone(),
            executions: tally.executions,
            n: tally.counted,
            cases: own.map_or(0, |own| own.spread.cases as u64),
            units: own.map_or(0, |own| own.spread.units as u64),
            coverage: share(tally.covered, tally.executions),
            mean: own.map(|own| own.spread.estimate),
            ci_low: ends.map(|ends| ends.low),
            ci_high: ends.map(|ends| ends.high),
            method: own.map_or("none: no score", |own| method(own.ends)),
            cross_check: own.and_then(|own| own.check),
            competes: contest.is_some(),
            p_best: contest.and_then(|(contest, place)| contest.p_best.get(place).copied()),
            ranks: contest
                .and_then(|(contest, place)| contest.ranks.get(place).cloned())
                .unwrap_or_default(),
            reliability: sample
                .filter(|_| own.is_some())
                .and_then(|one| Reliability::of(one, place)),
            variance: own.and_then(|own| own.variance),
            errors: tally.errors,
            cost: mean(&tally.costs),
            tokens: quantiles(&tally.tokens),
            duration_s: quantiles(&tally.durations),
            vs_baseline,
            metrics: metrics[place].clone(),
        }
    };
    tallies.iter().enumerate().map(line).collect()
}

fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The mean of each metric for each variant.
fn metric_means(table: &Table, policy: ErrorPolicy) -> Vec<BTreeMap<String, Option<f64>>> {
    let mut means = vec![BTreeMap::new(); table.variants.len()];
    for (place, metric) in table.metrics.iter().enumerate() {
        let sample = Counting::new(table, place, policy).sample(table);
        for (variant, own) in means.iter_mut().enumerate() {
            let values: Vec<_> = (0..sample.cases())
                .map(|case| sample.mean(case, variant))
                .filter(|value| !value.is_nan())
                .collect();
            own.insert(metric.name.clone(), mean(&values));
        }
    }
    means
}

/// Who would be best if errors counted as 0, or were left out, where there are errors.
fn sensitivity(
    table: &Table,
    tallies: &[Tally],
    baseline: Option<usize>,
    settings: &Settings,
) -> Vec<Sensitivity> {
    if table.metrics.is_empty() || tallies.iter().all(|tally| tally.errors == 0) {
        return Vec::new();
    }
    let all = [ErrorPolicy::Zero, ErrorPolicy::Exclude];
    let others = all.into_iter().filter(|policy| *policy != settings.error);
    others
        .map(|error| {
            let sample = Counting::new(table, 0, error).sample(table);
            // Only the tests decide here: a hundred draws are as good as many.
            let settings = Settings { draws: 100, ..settings.clone() };
            let direction = table.metrics[0].direction;
            let contest = Analysis::new(&sample, direction, baseline, &settings).contest;
            let set: Vec<String> = contest
                .map(|contest| contest.best_set)
                .unwrap_or_default()
                .into_iter()
                .map(|place| table.variants[place].name.clone())
                .collect();
            let best = if let [best] = set.as_slice() { Some(best.clone()) } else { None };
            Sensitivity { error, best, best_set: set }
        })
        .collect()
}

/// What a variant used of a resource.
type Used = fn(&VariantLine) -> Option<f64>;

/// For each resource the variants that no other beats in it and in the score.
fn pareto(lines: &[VariantLine], direction: Direction) -> BTreeMap<&'static str, Vec<String>> {
    let sign = if direction == Direction::Max { 1.0 } else { -1.0 };
    let used: [(&'static str, Used); 3] = [
        ("cost", |line| line.cost),
        ("tokens", |line| line.tokens.map(|tokens| tokens.median)),
        ("duration_s", |line| line.duration_s.map(|taken| taken.median)),
    ];
    used.into_iter()
        .filter_map(|(name, used)| {
            let point = |(place, line): (usize, &VariantLine)| {
                Some((place, line.mean? * sign, used(line)?))
            };
            let points: Vec<_> = lines.iter().enumerate().filter_map(point).collect();
            let names = front(&points).into_iter().map(|place| lines[place].name.clone());
            (points.len() > 1).then(|| (name, names.collect()))
        })
        .collect()
}
