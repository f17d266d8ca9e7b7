//! The figures that a gate judges by.

use wtb_model::Direction;

use super::{GateSettings, Verdict};
use crate::comparison::Settings;
use crate::comparison::analysis::{POWER, method, unit_deviation, wins_and_losses};
use crate::comparison::counting::Counting;
use crate::comparison::outlook::units_for_regression;
use crate::comparison::table::Table;
use crate::comparison::warnings::hangs_on_few;
use crate::contrast::{Contrast, Spread};
use crate::distribution::two_sided_z;
use crate::interval::{Interval, NoInterval, count, interval};
use crate::paired::paired_test;
use crate::power::{detectable_effect, units_needed};
use crate::resample::Draws;

/// Fills in the figures; returns the interval. `None` without a case of both.
pub(super) fn measure(
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
    if hangs_on_few(verdict.method, spread.units, spread.skewness() * count(spread.units).sqrt()) {
        let warning = "a few cases decide the difference: p-value and interval are too sure of it";
        verdict.warnings.push(warning.to_owned());
    }
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
        verdict.detectable = detectable_effect(deviation, spread.units, confidence, POWER)
            // A metric from 0 to 1 has no larger difference.
            .filter(|effect| spread.range.is_none() || *effect < 1.0);
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
pub(super) fn gain(direction: Direction, difference: f64) -> f64 {
    if direction == Direction::Max { difference } else { -difference }
}
