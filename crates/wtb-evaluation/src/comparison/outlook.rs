//! What a gate will be able to say, before anything runs: its chances by cases and repeats.

use serde::Serialize;

use super::counting::Counting;
use super::table::Table;
use crate::contrast::{Contrast, Spread};
use crate::distribution::{noncentral_t_cdf, normal_cdf, two_sided_t, two_sided_z};
use crate::interval::count;
use crate::power::detectable_effect;
use crate::proportion::tango_score;
use wtb_model::ErrorPolicy;

use super::analysis::POWER;

/// What is assumed of the differences between candidate and baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumed {
    /// Scores of 0 and 1, once for each case: the share of cases in which the two differ.
    Discordant(f64),
    /// Standard deviations of a case's true difference, and of one repeat's noise in it.
    Deviations {
        /// Between cases. Without repeats also the noise.
        between: f64,
        /// Within a case; `None` where no case was repeated.
        within: Option<f64>,
    },
}

impl Assumed {
    /// Returns whether it says what more than one repeat would do.
    pub fn knows_repeats(self) -> bool {
        matches!(self, Self::Deviations { within: Some(_), .. })
    }
}

/// What a gate will be asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Question {
    /// By how much the metric may become worse, above 0.
    pub max_regression: f64,
    /// The true loss that the gate ought to find, above 0.
    pub drop: f64,
    /// How sure the interval is.
    pub confidence: f64,
}

/// The chances of a gate with so many cases and repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OutlookRow {
    /// How many cases (or groups of cases).
    pub cases: usize,
    /// How many repeats of each.
    pub repeats: u32,
    /// The chance that an unchanged candidate passes.
    pub pass_if_unchanged: f64,
    /// The chance that an unchanged candidate leaves the gate inconclusive.
    pub inconclusive_if_unchanged: f64,
    /// The chance that an unchanged candidate is called a regression.
    pub false_alarm: f64,
    /// The chance that a candidate that lost `drop` is called a regression.
    pub caught_if_dropped: f64,
    /// The chance that a candidate that lost `drop` passes all the same.
    pub missed_if_dropped: f64,
    /// The smallest difference that is found in 80 of 100 batches.
    pub detectable: Option<f64>,
}

/// The chances for several sizes, and the size that is enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// What is assumed.
    pub assumed: Assumed,
    /// What is asked.
    pub question: Question,
    /// The chances by size.
    pub rows: Vec<OutlookRow>,
    /// For each number of repeats the fewest cases with which an unchanged candidate passes in 80 of
    /// 100 batches; `None` where a million are not enough.
    pub cases_needed: Vec<(u32, Option<usize>)>,
}

/// No plan asks for more cases than this.
const CASES_MAX: usize = 1_000_000;

/// Computes the chances for all pairs of cases and repeats. Where nothing is known of repeats, more of
/// them change nothing; see [`Assumed::knows_repeats`].
pub fn outlook(assumed: Assumed, question: Question, cases: &[usize], repeats: &[u32]) -> Outlook {
    let rows = repeats
        .iter()
        .flat_map(|repeats| cases.iter().map(move |cases| row(assumed, question, *cases, *repeats)))
        .collect();
    let needed = repeats.iter().map(|repeats| (*repeats, needed(assumed, question, *repeats)));
    Outlook { assumed, question, rows, cases_needed: needed.collect() }
}

/// Reads what to assume from the executions of two variants; `None` without two cases of both.
///
/// Where the values are 0 and 1, once for each case, that is the share of discordant cases, else
/// the deviations. With groups, groups are what has to be counted as cases.
///
/// # Panics
///
/// If a place is that of no variant.
pub fn assumed(
    table: &Table,
    candidate: usize,
    baseline: usize,
    error: ErrorPolicy,
) -> Option<Assumed> {
    (!table.metrics.is_empty()).then_some(())?;
    let sample = Counting::new(table, 0, error).sample(table).paired(candidate, baseline);
    let spread = Spread::of(&sample, Contrast::Difference(0, 1))?;
    let is_simple = |variant: usize| sample.is_binary(variant) && sample.is_single(variant);
    if !sample.is_grouped() && is_simple(0) && is_simple(1) {
        let discordant = spread.unit_sums.iter().filter(|one| **one != 0.0).count();
        return (spread.cases > 1)
            .then(|| Assumed::Discordant(count(discordant) / count(spread.cases)));
    }
    let variance = spread.standard_error?.powi(2) * count(spread.units);
    let noise = spread.noise.unwrap_or(0.0) * count(spread.units);
    // The noise of one repeat is that of the repeats that there were, times their number.
    let within = spread.noise.zip(spread.within).map(|(of_mean, of_one)| {
        let repeats = if of_mean > 0.0 { of_one / (of_mean * count(spread.cases)) } else { 1.0 };
        (noise * repeats).sqrt()
    });
    Some(Assumed::Deviations { between: (variance - noise).max(0.0).sqrt(), within })
}

fn row(assumed: Assumed, question: Question, cases: usize, repeats: u32) -> OutlookRow {
    let at = |change: f64| chances(assumed, question, cases, repeats, change);
    let (unchanged, dropped) = (at(0.0), at(-question.drop));
    OutlookRow {
        cases,
        repeats,
        pass_if_unchanged: unchanged.pass,
        inconclusive_if_unchanged: 1.0 - unchanged.pass - unchanged.regression,
        false_alarm: unchanged.regression,
        caught_if_dropped: dropped.regression,
        missed_if_dropped: dropped.pass,
        detectable: detectable_effect(
            deviation(assumed, repeats),
            cases,
            question.confidence,
            POWER,
        ),
    }
}

struct Chances {
    pass: f64,
    regression: f64,
}

/// The standard deviation of a case's measured difference.
fn deviation(assumed: Assumed, repeats: u32) -> f64 {
    match assumed {
        Assumed::Discordant(rate) => rate.sqrt(),
        Assumed::Deviations { between, within } => {
            let within = within.unwrap_or(0.0);
            (between * between + within * within / f64::from(repeats)).sqrt()
        }
    }
}

fn chances(
    assumed: Assumed,
    question: Question,
    cases: usize,
    repeats: u32,
    change: f64,
) -> Chances {
    match assumed {
        Assumed::Discordant(rate) => of_pairs(rate, question, cases, change),
        Assumed::Deviations { .. } => {
            of_differences(deviation(assumed, repeats), question, cases, change)
        }
    }
}

/// Pairs of zeros and ones: the sum over all numbers of gained and lost pairs that are likely enough.
fn of_pairs(rate: f64, question: Question, cases: usize, change: f64) -> Chances {
    let rate = rate.max(change.abs()).min(1.0);
    let (gained_rate, n) = (f64::midpoint(rate, change), count(cases));
    let z = two_sided_z(question.confidence);
    let mut found = Chances { pass: 0.0, regression: 0.0 };
    for (discordant, weight) in likely(cases, rate) {
        let share = if rate > 0.0 { gained_rate / rate } else { 0.0 };
        for (gained, part) in likely(discordant, share) {
            let (gained, lost) = (count(gained), count(discordant - gained));
            let estimate = (gained - lost) / n;
            if tango_score(gained, lost, n, -question.max_regression) > z {
                found.pass += weight * part;
            } else if estimate <= -question.max_regression && tango_score(gained, lost, n, 0.0) < -z
            {
                found.regression += weight * part;
            }
        }
    }
    found
}

/// The outcomes of a binomial distribution that have a chance, with their chances.
fn likely(n: usize, p: f64) -> impl Iterator<Item = (usize, f64)> {
    let (mean, reach) = (count(n) * p, 7.0 * (count(n) * p * (1.0 - p)).sqrt() + 7.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    let (low, high) = ((mean - reach) as usize, ((mean + reach) as usize).min(n));
    (low..=high).map(move |k| (k, binomial(n, k, p)))
}

fn binomial(n: usize, k: usize, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        let certain = if p <= 0.0 { 0 } else { n };
        return if k == certain { 1.0 } else { 0.0 };
    }
    let ln_choose = statrs::function::factorial::ln_binomial(n as u64, k as u64);
    (ln_choose + count(k) * p.ln() + count(n - k) * (1.0 - p).ln()).exp()
}

/// Differences that are about normal: the noncentral t for passing, the normal for regressing.
fn of_differences(deviation: f64, question: Question, cases: usize, change: f64) -> Chances {
    let Question { max_regression, confidence, .. } = question;
    if cases < 2 {
        return Chances { pass: 0.0, regression: 0.0 };
    }
    let error = deviation / count(cases).sqrt();
    if error <= 0.0 {
        let regression = change < 0.0 && change <= -max_regression;
        return Chances {
            pass: f64::from(u8::from(change > -max_regression)),
            regression: f64::from(u8::from(regression)),
        };
    }
    let df = count(cases - 1);
    let critical =
        if cases > 5_000 { two_sided_z(confidence) } else { two_sided_t(confidence, df) };
    let shift = (change + max_regression) / error;
    let pass = if cases > 5_000 || shift.abs() > 30.0 {
        normal_cdf(shift - critical)
    } else {
        1.0 - noncentral_t_cdf(critical, df, shift)
    };
    let threshold = (critical * error).max(max_regression);
    Chances { pass, regression: normal_cdf((-threshold - change) / error) }
}

/// Returns how many units show a regression in 80 of 100 batches if the true change is `change`; `None` if
/// even a million do not, as for one that is hardly beyond the margin.
pub(super) fn units_for_regression(
    deviation: f64,
    max_regression: f64,
    confidence: f64,
    change: f64,
) -> Option<usize> {
    let question = Question { max_regression, drop: -change, confidence };
    fewest(|units| of_differences(deviation, question, units, change).regression >= POWER)
}

/// The fewest cases with which an unchanged candidate passes often enough.
fn needed(assumed: Assumed, question: Question, repeats: u32) -> Option<usize> {
    fewest(|cases| chances(assumed, question, cases, repeats, 0.0).pass >= POWER)
}

/// The fewest cases that are enough, where more are enough as well; `None` beyond [`CASES_MAX`].
fn fewest(is_enough: impl Fn(usize) -> bool) -> Option<usize> {
    let mut high = 2;
    while !is_enough(high) {
        high *= 2;
        if high > CASES_MAX {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if is_enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question { max_regression: 0.02, drop: 0.1, confidence: 0.95 };

    #[test]
    fn a_gate_of_a_hundred_cases_is_mostly_inconclusive() {
        // With 15 % discordant pairs and no change: 91 % of the time.
        let found = outlook(Assumed::Discordant(0.15), QUESTION, &[100], &[1]).rows[0];
        assert!((found.inconclusive_if_unchanged - 0.91).abs() < 0.02, "{found:?}");
        assert!(found.false_alarm < 0.03, "{found:?}");
    }

    #[test]
    fn pairs_and_differences_agree_for_many_cases() {
        let pairs = chances(Assumed::Discordant(0.15), QUESTION, 3_000, 1, 0.0);
        let differences = of_differences(0.15_f64.sqrt(), QUESTION, 3_000, 0.0);
        assert!(
            (pairs.pass - differences.pass).abs() < 0.02,
            "{} {}",
            pairs.pass,
            differences.pass
        );
        let pairs = chances(Assumed::Discordant(0.15), QUESTION, 3_000, 1, -0.03);
        let differences = of_differences(0.15_f64.sqrt(), QUESTION, 3_000, -0.03);
        assert!((pairs.regression - differences.regression).abs() < 0.03);
    }

    #[test]
    fn a_loss_hardly_beyond_the_margin_is_never_shown() {
        let needed = |change| units_for_regression(0.39, 0.02, 0.95, change);
        let found = needed(-0.1).unwrap();
        let chance = of_differences(0.39, QUESTION, found, -0.1).regression;
        assert!((POWER..POWER + 0.01).contains(&chance), "{found} {chance}");
        assert!(needed(-0.022) > Some(10_000), "{:?}", needed(-0.022));
        assert_eq!(needed(-0.02), None);
    }

    #[test]
    fn what_is_needed_is_just_enough() {
        let found = outlook(Assumed::Discordant(0.15), QUESTION, &[], &[1]);
        let (_, Some(single)) = found.cases_needed[0] else { panic!("{found:?}") };
        let rows = outlook(Assumed::Discordant(0.15), QUESTION, &[single - 1, single], &[1]).rows;
        assert!(rows[0].pass_if_unchanged < POWER && rows[1].pass_if_unchanged >= POWER);
        let noisy = Assumed::Deviations { between: 0.1, within: Some(0.4) };
        let found = outlook(noisy, QUESTION, &[], &[1, 4]);
        assert!(found.cases_needed[1].1 < found.cases_needed[0].1, "repeats help: {found:?}");
        assert!(noisy.knows_repeats() && !Assumed::Discordant(0.1).knows_repeats());
        let never = Assumed::Deviations { between: 1e6, within: None };
        assert_eq!(outlook(never, QUESTION, &[], &[1]).cases_needed, [(1, None)]);
    }
}
