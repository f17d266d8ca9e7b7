//! The gate: whether a candidate may replace a baseline, or has become worse, or whether nobody can tell.

use serde::Serialize;
use wtb_model::{Direction, ErrorPolicy};

use super::analysis::{POWER, method, unit_deviation, wins_and_losses};
use super::counting::{Counting, MISSING_SHARE_MAX, Tally, tally};
use super::outlook::units_for_regression;
use super::table::Table;
use super::{Settings, share};
use crate::contrast::{Contrast, Spread};
use crate::distribution::two_sided_z;
use crate::interval::{Interval, NoInterval, interval};
use crate::paired::paired_test;
use crate::power::{detectable_effect, units_needed};
use crate::resample::Draws;

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
    let doubt = counting
        .as_ref()
        .and_then(|counting| doubt(counting, &tallies[candidate], &tallies[baseline]));
    let ends = counting.and_then(|counting| measure(&mut verdict, table, &counting, settings));
    let most = cases_of(table, candidate).max(cases_of(table, baseline));
    if verdict.cases > 0 && verdict.cases < most {
        let shared = verdict.cases;
        verdict.warnings.push(format!("the two are compared on {shared} of {most} cases"));
    }
    (verdict.outcome, verdict.reason) = judge(&verdict, ends, doubt, statistics.error);
    verdict
}

/// How many cases a variant was run on.
fn cases_of(table: &Table, variant: usize) -> usize {
    let own = table.executions.iter().filter(|one| one.variant == variant);
    own.map(|one| one.case).collect::<std::collections::HashSet<_>>().len()
}

/// Fills in the figures; returns the interval. `None` without a case of both.
fn measure(
    verdict: &mut Verdict,
    table: &Table,
    counting: &Counting,
    settings: &GateSettings,
) -> Option<Result<Interval, NoInterval>> {
    let Settings { confidence, draws, seed, .. } = settings.statistics;
    let sample = counting.sample(table).paired(settings.candidate, settings.baseline);
    let contrast = Contrast::Difference(0, 1);
    let spread = Spread::of(&sample, contrast)?;
    let drawn = Draws::new(&sample, &[contrast], draws, seed);
    let ends = interval(&sample, contrast, &spread, &drawn.of(0), confidence, drawn.blocks);
    let test = paired_test(&sample, contrast, &spread, seed);
    let (wins, losses) = wins_and_losses(&sample, verdict.direction, contrast);
    verdict.difference = Some(spread.estimate);
    (verdict.ci_low, verdict.ci_high) = ends.ok().map(|ends| (ends.low, ends.high)).unzip();
    verdict.method = method(ends);
    (verdict.p_value, verdict.test) = (Some(test.p_value), Some(test.test));
    (verdict.wins, verdict.losses) = (wins, losses);
    (verdict.cases, verdict.units) = (spread.cases, spread.units);
    verdict.ties = spread.cases - wins - losses;
    let deviation = unit_deviation(&spread).filter(|deviation| *deviation > 0.0);
    if let Some(deviation) = deviation {
        let gain = gain(verdict.direction, spread.estimate);
        let margin = settings.max_regression;
        let needed = if gain > -margin {
            units_needed(gain + margin, deviation, confidence, POWER)
        } else {
            units_for_regression(deviation, margin, confidence, gain)
        };
        let cases_of = |units: usize| (units * spread.cases).div_ceil(spread.units);
        verdict.detectable = detectable_effect(deviation, spread.units, confidence, POWER);
        verdict.cases_needed = needed.map(cases_of);
        verdict.cases_needed_if_unchanged =
            units_needed(margin, deviation, confidence, POWER).map(cases_of);
    }
    if deviation.is_none() && spread.estimate == 0.0 && settings.max_regression > 0.0 {
        // Without any difference the interval ends at z^2 / (n + z^2).
        let squared = two_sided_z(confidence).powi(2);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let units = (squared * (1.0 / settings.max_regression - 1.0)).ceil() as usize + 1;
        verdict.cases_needed_if_unchanged =
            ends.is_ok().then(|| (units * spread.cases).div_ceil(spread.units));
    }
    Some(ends)
}

/// A difference as a gain: above 0 is better.
fn gain(direction: Direction, difference: f64) -> f64 {
    if direction == Direction::Max { difference } else { -difference }
}

/// Why a candidate that looks well cannot pass.
fn doubt(counting: &Counting, candidate: &Tally, baseline: &Tally) -> Option<String> {
    let Tally { executions, errors, scored, .. } = candidate;
    if *scored == 0 {
        return Some("none of its executions has a score".to_owned());
    }
    let rate = |tally: &Tally| share(tally.errors, tally.executions);
    if !counting.errors_are_zero && rate(candidate) > rate(baseline) {
        return Some(format!(
            "{errors} of its {executions} executions ended with an error and are left out"
        ));
    }
    (candidate.missing() > baseline.missing() + MISSING_SHARE_MAX)
        .then(|| format!("{:.0} % of its executions have no score", candidate.missing() * 100.0))
}

fn judge(
    verdict: &Verdict,
    ends: Option<Result<Interval, NoInterval>>,
    doubt: Option<String>,
    policy: ErrorPolicy,
) -> (Outcome, String) {
    let Verdict { candidate, baseline, .. } = verdict;
    let Some(metric) = &verdict.metric else {
        return (Outcome::Inconclusive, "no execution has a score".to_owned());
    };
    let (Some(ends), Some(difference)) = (ends, verdict.difference) else {
        let errors = verdict.candidate_errors + verdict.baseline_errors;
        let text = if policy == ErrorPolicy::Fail && errors > 0 {
            format!(
                "{errors} executions ended with an error, which takes their variant's mean away"
            )
        } else {
            format!("{candidate} and {baseline} have no case in common with a `{metric}`")
        };
        return (Outcome::Inconclusive, text);
    };
    let margin = verdict.max_regression;
    let ends = match ends {
        Ok(ends) => ends,
        Err(NoInterval::OneUnit) => {
            let text = format!("a single case says nothing of how `{metric}` differs");
            return (Outcome::Inconclusive, text);
        }
        Err(NoInterval::Constant) => {
            let text = format!(
                "`{metric}` differs by {difference:+} in each of {} cases, and nothing says how it \
                 would in others",
                verdict.cases
            );
            return (Outcome::Inconclusive, text);
        }
    };
    let gained = gain(verdict.direction, difference);
    let (low, high) = match verdict.direction {
        Direction::Max => (ends.low, ends.high),
        Direction::Min => (-ends.high, -ends.low),
    };
    let how = match difference {
        0.0 => format!("is that of {baseline}"),
        above if above > 0.0 => format!("is {above:.4} higher than that of {baseline}"),
        below => format!("is {:.4} lower than that of {baseline}", -below),
    };
    let looks = match verdict.looks {
        0 | 1 => String::new(),
        looks => format!(" over all {looks} looks"),
    };
    let found = format!(
        "`{metric}` of {candidate} {how} ({} % interval of the difference{looks} [{:+.4}, {:+.4}], {} cases)",
        percent(verdict.confidence),
        ends.low,
        ends.high,
        verdict.cases
    );
    if low > -margin {
        return match doubt {
            None => (Outcome::Pass, format!("{found}: not worse by more than {margin}")),
            Some(doubt) => (Outcome::Inconclusive, format!("{found}, but {doubt}")),
        };
    }
    if high < 0.0 && gained <= -margin {
        return (Outcome::Regression, format!("{found}: worse by {margin} or more"));
    }
    (Outcome::Inconclusive, format!("{found}: {}", open_question(verdict)))
}

/// A share in percent, without decimals that say nothing.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

/// What an inconclusive gate could have seen, and what would settle it.
fn open_question(verdict: &Verdict) -> String {
    let margin = verdict.max_regression;
    let more = |cases: Option<usize>| cases.filter(|cases| *cases > verdict.cases);
    let seen = verdict
        .detectable
        .map(|detectable| format!("these cases can show a difference of {detectable:.2}"));
    let found = more(verdict.cases_needed)
        .map(|cases| format!("{cases} cases would settle a difference of this size"));
    let unchanged = more(verdict.cases_needed_if_unchanged)
        .map(|cases| format!("{cases} cases would pass an unchanged workflow"));
    let parts = [seen, found, unchanged].into_iter().flatten();
    parts.fold(format!("neither within {margin} nor shown to be worse"), |text, part| {
        format!("{text}; {part}")
    })
}
