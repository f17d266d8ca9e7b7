//! The statistics of one metric: each variant's mean, each against the baseline, and the contest.

use std::collections::{BTreeMap, HashMap};

use wtb_model::Direction;

use super::Settings;
use super::shape::{CrossCheck, SecondOpinion, VarianceSplit, Versus};
use crate::contest::{Contest, Rules, UNITS_MIN};
use crate::contrast::{Contrast, Spread};
use crate::interval::{Interval, NoInterval, count, cross_check, interval};
use crate::paired::{paired_test, wilcoxon};
use crate::power::{detectable_deviations, units_needed};
use crate::resample::Draws;
use crate::sample::Sample;

/// The chance with which an effect that is there is to be found.
pub const POWER: f64 = 0.8;

/// A variant's mean with its uncertainty.
pub(super) struct MeanLine {
    pub(super) spread: Spread,
    pub(super) ends: Result<Interval, NoInterval>,
    pub(super) check: Option<CrossCheck>,
    pub(super) variance: Option<VarianceSplit>,
}

/// What a metric says of all variants.
pub(super) struct Analysis {
    pub(super) means: Vec<Option<MeanLine>>,
    pub(super) versus: Vec<Option<Versus>>,
    pub(super) contest: Option<Contest>,
}

impl Analysis {
    pub(super) fn new(
        sample: &Sample,
        direction: Direction,
        baseline: Option<usize>,
        settings: &Settings,
    ) -> Self {
        let rivals: Vec<usize> = baseline.map_or_else(Vec::new, |baseline| {
            (0..sample.variants()).filter(|place| *place != baseline).collect()
        });
        let differences = baseline.into_iter().flat_map(|baseline| {
            rivals.iter().map(move |place| Contrast::Difference(*place, baseline))
        });
        let contrasts: Vec<_> =
            (0..sample.variants()).map(Contrast::Mean).chain(differences).collect();
        let draws = Draws::new(sample, &contrasts, settings.draws, settings.seed);
        let mut lines = Vec::new();
        for (place, contrast) in contrasts.iter().enumerate().take(sample.variants()) {
            let measured = measure(sample, *contrast, &draws, place, settings);
            lines.push(measured.map(|(spread, ends)| mean_line(spread, ends, settings)));
        }
        let mut detectable = Detectable { confidence: settings.confidence, known: HashMap::new() };
        let mut versus = vec![None; sample.variants()];
        for (rival, place) in rivals.iter().zip(sample.variants()..) {
            let contrast = contrasts[place];
            let [own, other] = contrast.variants();
            versus[*rival] = if sample.has_equal_repeats(own, other) {
                let measured = measure(sample, contrast, &draws, place, settings);
                measured.map(|measured| {
                    against(sample, direction, contrast, measured, settings, &mut detectable)
                })
            } else {
                let pair = sample.paired(own, other);
                let contrast = Contrast::Difference(0, 1);
                let draws = Draws::new(&pair, &[contrast], settings.draws, settings.seed);
                let measured = measure(&pair, contrast, &draws, 0, settings);
                measured.map(|measured| {
                    against(&pair, direction, contrast, measured, settings, &mut detectable)
                })
            };
        }
        adjust(&mut versus, settings);
        let contest = hold_contest(sample, direction, &lines, settings, &draws);
        Self { means: lines, versus, contest }
    }
}

type Measured = (Spread, Result<Interval, NoInterval>);

/// Measures a contrast, with its draws at a place; `None` when no case has a value.
fn measure(
    sample: &Sample,
    contrast: Contrast,
    draws: &Draws,
    place: usize,
    settings: &Settings,
) -> Option<Measured> {
    let spread = Spread::of(sample, contrast)?;
    let own = draws.of(place);
    let ends = interval(sample, contrast, &spread, &own, settings.confidence, draws.blocks);
    Some((spread, ends))
}

/// What so many units can find, in standard deviations: the same for most variants.
struct Detectable {
    confidence: f64,
    known: HashMap<usize, Option<f64>>,
}

impl Detectable {
    fn of(&mut self, units: usize) -> Option<f64> {
        let confidence = self.confidence;
        let find = || detectable_deviations(units, confidence, POWER);
        *self.known.entry(units).or_insert_with(find)
    }
}

/// The variants of the contest: those with at least half as many cases as the one with most.
fn hold_contest(
    sample: &Sample,
    direction: Direction,
    lines: &[Option<MeanLine>],
    settings: &Settings,
    drawn: &Draws,
) -> Option<Contest> {
    let cases = |line: &Option<MeanLine>| line.as_ref().map_or(0, |line| line.spread.cases);
    let most = lines.iter().map(cases).max()?;
    let is_in = |place: &usize| cases(&lines[*place]) > 0 && 2 * cases(&lines[*place]) >= most;
    let variants: Vec<usize> = (0..lines.len()).filter(is_in).collect();
    let Settings { confidence, draws, seed, .. } = *settings;
    Contest::hold(sample, &variants, Rules { direction, confidence, draws, seed }, Some(drawn))
}

fn mean_line(spread: Spread, ends: Result<Interval, NoInterval>, settings: &Settings) -> MeanLine {
    let check = cross_check(&spread, settings.confidence);
    MeanLine {
        check: check.map(|(ci_low, ci_high)| CrossCheck { method: "t", ci_low, ci_high }),
        variance: variance_split(&spread),
        spread,
        ends,
    }
}

fn variance_split(spread: &Spread) -> Option<VarianceSplit> {
    let (noise, within) = (spread.noise?, spread.within?);
    let n = count(spread.cases);
    Some(VarianceSplit {
        between_cases: (spread.deviation.powi(2) - noise * n).max(0.0),
        within_cases: within,
        noise_share: noise_share(spread)?,
    })
}

fn noise_share(spread: &Spread) -> Option<f64> {
    let variance = spread.standard_error?.powi(2);
    (variance > 0.0).then_some(())?;
    Some((spread.noise? / variance).min(1.0))
}

fn against(
    sample: &Sample,
    direction: Direction,
    contrast: Contrast,
    (spread, ends): Measured,
    settings: &Settings,
    detectable: &mut Detectable,
) -> Versus {
    let spread = &spread;
    let test = paired_test(sample, contrast, spread, settings.seed);
    let units: Vec<f64> =
        spread.unit_sums.iter().zip(&spread.unit_cases).map(|(sum, count)| sum / count).collect();
    let (wins, losses) = wins_and_losses(sample, direction, contrast);
    let deviation = unit_deviation(spread);
    let is_settled = ends.is_ok_and(|ends| ends.low > 0.0 || ends.high < 0.0);
    let confidence = settings.confidence;
    let needed = deviation
        .filter(|_| !is_settled && spread.units >= UNITS_MIN)
        .and_then(|deviation| units_needed(spread.estimate, deviation, confidence, POWER));
    let cases_of = |units: usize| (units * spread.cases).div_ceil(spread.units);
    Versus {
        difference: spread.estimate,
        ci_low: ends.ok().map(|ends| ends.low),
        ci_high: ends.ok().map(|ends| ends.high),
        method: method(ends),
        p_value: test.p_value,
        p_adjusted: test.p_value,
        test: test.test,
        second: SecondOpinion { test: "wilcoxon", p_value: wilcoxon(&units) },
        wins,
        ties: spread.cases - wins - losses,
        losses,
        cases: spread.cases,
        units: spread.units,
        detectable: deviation
            .filter(|deviation| *deviation > 0.0)
            .and_then(|deviation| Some(deviation * detectable.of(spread.units)?))
            // A metric from 0 to 1 has no larger difference.
            .filter(|effect| spread.range.is_none() || *effect < 1.0),
        cases_needed: needed.map(cases_of),
        noise_share: noise_share(spread),
        skewness: spread.skewness() * count(spread.units).sqrt(),
        ratios: BTreeMap::new(),
    }
}

pub(super) fn wins_and_losses(
    sample: &Sample,
    direction: Direction,
    contrast: Contrast,
) -> (usize, usize) {
    let sign = if direction == Direction::Max { 1.0 } else { -1.0 };
    let differences = (0..sample.cases()).map(|case| sign * contrast.of_case(sample, case));
    differences.fold((0, 0), |(wins, losses), one| {
        (wins + usize::from(one > 0.0), losses + usize::from(one < 0.0))
    })
}

/// The standard deviation of what one unit says, so that groups are planned for as groups.
pub(super) fn unit_deviation(spread: &Spread) -> Option<f64> {
    spread.standard_error.map(|error| error * count(spread.units).sqrt())
}

/// Says how an interval was found, or why there is none.
pub(super) fn method(ends: Result<Interval, NoInterval>) -> &'static str {
    match ends {
        Ok(found) => found.method.as_str(),
        Err(NoInterval::OneUnit) => "none: a single case",
        Err(NoInterval::Constant) => "none: all alike",
    }
}

fn adjust(versus: &mut [Option<Versus>], settings: &Settings) {
    let p_values: Vec<_> = versus.iter().flatten().map(|one| one.p_value).collect();
    let adjusted = settings.correction.adjust(&p_values);
    for (one, p) in versus.iter_mut().flatten().zip(adjusted) {
        one.p_adjusted = p;
    }
}
