//! What a paired comparison can see: power, the smallest detectable effect, and the cases it takes.

use statrs::function::gamma::gamma_lr;

use crate::distribution::{noncentral_t_cdf, normal_cdf, two_sided_t, two_sided_z};
use crate::interval::count;

/// Returns the chance that a paired t-test of `units` differences finds a true mean difference of
/// `effect` where differences have the standard deviation `deviation`; `units` >= 2.
///
/// The noncentral t distribution, two-sided (Cohen 1988, Statistical Power Analysis, chapter 2).
pub fn power(effect: f64, deviation: f64, units: usize, confidence: f64) -> f64 {
    if deviation <= 0.0 {
        return if effect == 0.0 { 1.0 - confidence } else { 1.0 };
    }
    let df = count(units - 1);
    let noncentrality = effect.abs() / deviation * count(units).sqrt();
    if units > LARGE {
        let z = two_sided_z(confidence);
        return normal_cdf(noncentrality - z) + normal_cdf(-noncentrality - z);
    }
    let critical = two_sided_t(confidence, df);
    if noncentrality > LARGE_EFFECT {
        // Only the estimate of the deviation is still uncertain.
        return gamma_lr(df / 2.0, df * (noncentrality / critical).powi(2) / 2.0);
    }
    let above = 1.0 - noncentral_t_cdf(critical, df, noncentrality);
    let below = noncentral_t_cdf(critical, df, -noncentrality);
    (above + 1.0 - below).clamp(0.0, 1.0)
}

/// Beyond this noncentrality the series takes more terms than are summed.
const LARGE_EFFECT: f64 = 50.0;

/// Beyond this many units Student's t is the normal distribution.
const LARGE: usize = 5_000;

/// No advice asks for more units than this.
pub const PLANNED_UNITS_MAX: usize = 10_000_000;

/// Returns the smallest effect that is found with the wanted power; `None` for fewer than two units.
pub fn detectable_effect(
    deviation: f64,
    units: usize,
    confidence: f64,
    wanted: f64,
) -> Option<f64> {
    Some(deviation * detectable_deviations(units, confidence, wanted)?)
}

/// Returns the same in standard deviations.
pub(crate) fn detectable_deviations(units: usize, confidence: f64, wanted: f64) -> Option<f64> {
    if units < 2 {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while power(high, 1.0, units, confidence) < wanted {
        high *= 2.0;
        if high > 1e9 {
            return None;
        }
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if power(middle, 1.0, units, confidence) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

/// Halvings after which an effect has more digits than anybody reads.
const HALVINGS: u32 = 40;

/// Returns how many units it takes to find an effect with the wanted power; `None` if there is no
/// effect, or if it takes more than [`PLANNED_UNITS_MAX`].
pub fn units_needed(effect: f64, deviation: f64, confidence: f64, wanted: f64) -> Option<usize> {
    let is_enough = |units: usize| power(effect, deviation, units, confidence) >= wanted;
    if effect == 0.0 || !is_enough(PLANNED_UNITS_MAX) {
        return None;
    }
    let (mut low, mut high) = (1, PLANNED_UNITS_MAX);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if is_enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_statsmodels() {
        // statsmodels: TTestPower().power(0.5, 30, 0.05), solve_power(power=0.8, nobs=30 | effect_size=0.2).
        assert!((power(0.5, 1.0, 30, 0.95) - 0.753_964_715_743_79).abs() < 1e-6);
        assert!(
            (detectable_effect(1.0, 30, 0.95, 0.8).unwrap() - 0.529_235_704_523_89).abs() < 1e-6
        );
        assert_eq!(units_needed(0.2, 1.0, 0.95, 0.8), Some(199));
    }

    #[test]
    fn no_effect_needs_no_number() {
        assert_eq!(units_needed(0.0, 1.0, 0.95, 0.8), None);
        assert_eq!(detectable_effect(1.0, 1, 0.95, 0.8), None);
        assert!((power(0.0, 0.0, 9, 0.95) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn large_and_small_counts_meet() {
        let near = power(0.03, 1.0, 5_000, 0.95);
        let far = power(0.03, 1.0, 5_001, 0.95);
        assert!((near - far).abs() < 1e-3, "{near} {far}");
    }
}
