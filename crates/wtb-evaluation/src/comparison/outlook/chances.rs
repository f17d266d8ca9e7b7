//! The chances of a gate's answers.

use super::{Assumed, Question};
use crate::comparison::analysis::POWER;
use crate::distribution::{noncentral_t_cdf, normal_cdf, two_sided_t, two_sided_z};
use crate::interval::count;
use crate::proportion::tango_score;

/// No plan asks for more cases than this.
const CASES_MAX: usize = 1_000_000;

/// The chances of two of a gate's answers.
pub(super) struct Chances {
    pub(super) pass: f64,
    pub(super) regression: f64,
}

/// The standard deviation of a case's measured difference.
pub(super) fn deviation(assumed: Assumed, repeats: u32) -> f64 {
    match assumed {
        Assumed::Discordant(rate) => rate.sqrt(),
        Assumed::Deviations { between, within } => {
            let within = within.unwrap_or(0.0);
            (between * between + within * within / f64::from(repeats)).sqrt()
        }
    }
}

pub(super) fn chances(
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
pub(in crate::comparison) fn units_for_regression(
    deviation: f64,
    max_regression: f64,
    confidence: f64,
    change: f64,
) -> Option<usize> {
    let question = Question { max_regression, drop: -change, confidence };
    fewest(|units| of_differences(deviation, question, units, change).regression >= POWER)
}

/// The fewest cases that are enough, where more are enough as well; `None` beyond [`CASES_MAX`].
pub(super) fn fewest(is_enough: impl Fn(usize) -> bool) -> Option<usize> {
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
}
