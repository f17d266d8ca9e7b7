//! Which interval suits the data, and that interval.
//!
//! Zeros and ones, one for each case, have score intervals. Else the nested bootstrap's draws decide
//! (BCa), or Student's t where there are too few units to draw from. Where hardly a unit differs from
//! the others, draws know nothing of what they have not seen: then values in [0, 1] have the score
//! interval of their units, which is wide. Of other values, those that are all alike have none.

use crate::contrast::{Contrast, Spread};
use crate::distribution::{normal_cdf, normal_quantile, two_sided_t};
use crate::proportion::{tango, wilson};
use crate::sample::Sample;
use crate::skewness;

/// With fewer degrees of freedom than this (ten units of one size have nine), Student's t is used in the place of draws.
pub const BOOTSTRAP_DF_MIN: f64 = 9.0;

/// Nor are draws used where fewer units than this differ from the most frequent value, and some are alike.
pub const BOOTSTRAP_UNLIKE_MIN: usize = 20;

/// With fewer units than this that differ from the most frequent value, the bootstrap is not believed.
pub const INFORMATIVE_UNITS_MIN: usize = 5;

/// With fewer draws beyond each end, the ends are not read from draws.
const TAIL_DRAWS_MIN: f64 = 5.0;

/// How an interval was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Tango's score interval of a difference of paired proportions.
    Tango,
    /// A score interval of the units, conservative since their values are not only 0 and 1.
    ScoreOfUnits,
    /// Student's t.
    T,
    /// The nested bootstrap, BCa.
    Bootstrap,
    /// The bootstrap of blocks of units, BCa.
    BlockBootstrap,
}

impl Method {
    /// Returns the name that comparisons print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wilson => "wilson",
            Self::Tango => "tango",
            Self::ScoreOfUnits => "score of units",
            Self::T => "t",
            Self::Bootstrap => "nested bootstrap",
            Self::BlockBootstrap => "block bootstrap",
        }
    }
}

/// An interval of an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How it was found.
    pub method: Method,
}

/// Why there is no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoInterval {
    /// There is only one unit.
    OneUnit,
    /// All units are alike, and nothing says in which range they could differ.
    Constant,
}

/// Returns the interval that suits a contrast; `draws` are its draws.
pub fn interval(
    sample: &Sample,
    contrast: Contrast,
    spread: &Spread,
    draws: &[f64],
    confidence: f64,
    are_blocks: bool,
) -> Result<Interval, NoInterval> {
    if let Some(found) = of_proportions(sample, contrast, spread, confidence) {
        return Ok(found);
    }
    let unlike = spread.unlike();
    let is_nearly_constant =
        spread.units == 1 || unlike < spread.units && unlike < INFORMATIVE_UNITS_MIN;
    if spread.range.is_some() && is_nearly_constant {
        return Ok(of_units(contrast, spread, confidence));
    }
    let Some(error) = spread.standard_error else {
        return Err(NoInterval::OneUnit);
    };
    if spread.is_constant() {
        return Err(NoInterval::Constant);
    }
    let tail_draws = count(draws.len()) * (1.0 - confidence) / 2.0;
    let are_draws_informed = spread.df >= BOOTSTRAP_DF_MIN && is_enough(unlike, spread.units);
    let (ends, method) = if !are_draws_informed || tail_draws < TAIL_DRAWS_MIN {
        (student(spread, error, confidence), Method::T)
    } else {
        let method = if are_blocks { Method::BlockBootstrap } else { Method::Bootstrap };
        (bca(draws, spread, error, confidence), method)
    };
    let (low, high) = with_room_for_the_tail(ends, spread, error, confidence);
    Ok(Interval { low, high, method })
}

/// Whether all units differ, or at least half of them and a good number: of values that are mostly alike,
/// draws know too little of the others.
fn is_enough(unlike: usize, units: usize) -> bool {
    unlike == units || unlike >= BOOTSTRAP_UNLIKE_MIN && 2 * unlike >= units
}

/// Returns Student's interval, as a cross-check of the others; `None` for a single unit.
pub fn cross_check(spread: &Spread, confidence: f64) -> Option<(f64, f64)> {
    spread.standard_error.map(|error| student(spread, error, confidence))
}

/// Zeros and ones, one for each case, and each case a unit.
fn of_proportions(
    sample: &Sample,
    contrast: Contrast,
    spread: &Spread,
    confidence: f64,
) -> Option<Interval> {
    let is_simple = |variant: usize| sample.is_single(variant) && sample.is_binary(variant);
    let n = count(spread.cases);
    match contrast {
        _ if sample.is_grouped() => None,
        Contrast::Mean(variant) if is_simple(variant) => {
            let (low, high) = wilson(spread.unit_sums.iter().sum(), n, confidence);
            Some(Interval { low, high, method: Method::Wilson })
        }
        Contrast::Difference(left, right) if is_simple(left) && is_simple(right) => {
            let (gained, lost) = gains_and_losses(&spread.unit_sums);
            let (low, high) = tango(gained, lost, n, confidence);
            Some(Interval { low, high, method: Method::Tango })
        }
        _ => None,
    }
}

fn of_units(contrast: Contrast, spread: &Spread, confidence: f64) -> Interval {
    let cases = count(spread.cases);
    // Large groups weigh more, so that there are fewer than there seem (Kish 1965, Survey Sampling).
    let n = cases.powi(2) / spread.unit_cases.iter().map(|own| own * own).sum::<f64>();
    let (low, high) = match contrast {
        Contrast::Mean(_) => wilson(spread.estimate * n, n, confidence),
        Contrast::Difference(..) => {
            let (gained, lost) = gains_and_losses(&spread.unit_sums);
            tango(gained / cases * n, lost / cases * n, n, confidence)
        }
    };
    Interval { low, high, method: Method::ScoreOfUnits }
}

fn gains_and_losses(differences: &[f64]) -> (f64, f64) {
    let positive = |one: &f64| one.max(0.0);
    let negative = |one: &f64| (-one).max(0.0);
    (differences.iter().map(positive).sum(), differences.iter().map(negative).sum())
}

fn student(spread: &Spread, error: f64, confidence: f64) -> (f64, f64) {
    let half = two_sided_t(confidence, spread.df) * error;
    within_range(spread, (spread.estimate - half, spread.estimate + half))
}

/// Moves the end on the side of the long tail to where Hall's corrected t has it, if that is further out.
fn with_room_for_the_tail(
    (low, high): (f64, f64),
    spread: &Spread,
    error: f64,
    confidence: f64,
) -> (f64, f64) {
    let reach = two_sided_t(confidence, spread.df);
    let a = spread.skewness();
    let end = |t: f64| spread.estimate - error * skewness::inverted(t, a);
    let (low, high) =
        if a > 0.0 { (low, high.max(end(-reach))) } else { (low.min(end(reach)), high) };
    within_range(spread, (low, high))
}

fn within_range(spread: &Spread, (low, high): (f64, f64)) -> (f64, f64) {
    spread.range.map_or((low, high), |(least, most)| (low.max(least), high.min(most)))
}

/// Efron's BCa interval of draws that are scaled to the standard error.
///
/// Nested draws count the noise of repeats twice, since the cells' means hold it already, and draws
/// of n units are too narrow by n / (n - 1): both are undone by scaling the draws' deviations so that
/// their spread is the standard error (Davison and Hinkley 1997, Bootstrap Methods, 3.8). The normal
/// quantiles in BCa are those of Student's t, as in Hesterberg's expanded percentiles (2015, The
/// American Statistician 69, 371-386).
fn bca(draws: &[f64], spread: &Spread, error: f64, confidence: f64) -> (f64, f64) {
    let estimate = spread.estimate;
    let n = count(draws.len());
    let variance = draws.iter().map(|draw| (draw - estimate).powi(2)).sum::<f64>() / n;
    let scale = if variance > 0.0 { error / variance.sqrt() } else { 0.0 };
    let below = count(draws.iter().filter(|draw| **draw < estimate).count());
    let up_to = count(draws.iter().filter(|draw| **draw <= estimate).count());
    let mut draws = draws.to_vec();
    let share = (f64::midpoint(below, up_to) / n).clamp(1.0 / n, 1.0 - 1.0 / n);
    let bias = normal_quantile(share);
    let reach = two_sided_t(confidence, spread.df);
    let level = |z: f64| {
        let shifted = bias + z;
        normal_cdf(bias + shifted / (1.0 - spread.acceleration * shifted).max(0.1))
    };
    let mut end = |z: f64| scale.mul_add(quantile(&mut draws, level(z)) - estimate, estimate);
    (end(-reach), end(reach))
}

/// Returns the quantile of values, interpolated between neighbours (type 6 of Hyndman and Fan 1996).
fn quantile(values: &mut [f64], level: f64) -> f64 {
    let last = values.len() - 1;
    let place = (level * count(values.len() + 1) - 1.0).clamp(0.0, count(last));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a slice"
    )]
    let low = place.floor() as usize;
    let (_, lower, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let lower = *lower;
    let higher = above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower);
    (higher - lower).mul_add(place - count(low), lower)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}
