//! What a gate will be able to say, before anything runs: its chances by cases and repeats.

mod chances;

pub(super) use chances::units_for_regression;

use serde::Serialize;
use wtb_model::ErrorPolicy;

use super::analysis::POWER;
use super::counting::Counting;
use super::table::Table;
use crate::contrast::{Contrast, Spread};
use crate::interval::count;
use crate::power::detectable_effect;
use chances::{chances, deviation, fewest};

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

/// The fewest cases with which an unchanged candidate passes often enough.
fn needed(assumed: Assumed, question: Question, repeats: u32) -> Option<usize> {
    fewest(|cases| chances(assumed, question, cases, repeats, 0.0).pass >= POWER)
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
