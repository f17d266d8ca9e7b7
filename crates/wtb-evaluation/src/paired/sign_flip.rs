//! The sign-flip permutation test: under the hypothesis each difference might as well have the other sign.
//!
//! Fisher (1935), The Design of Experiments, section 21. The distribution of the sum over all
//! 2^n choices of signs is computed exactly where the differences are whole multiples of something (means
//! of a few zeros and ones are) or are few; else it is drawn, and its far tail, which draws cannot
//! show, is approximated by a saddlepoint.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::distribution::normal_cdf;

/// How the p-value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignFlip {
    /// Over all choices of signs.
    Exact,
    /// By seeded draws of signs.
    MonteCarlo,
    /// By the saddlepoint approximation.
    Saddlepoint,
}

impl SignFlip {
    /// Returns the name that comparisons print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "sign flip (exact)",
            Self::MonteCarlo => "sign flip (Monte Carlo)",
            Self::Saddlepoint => "sign flip (saddlepoint)",
        }
    }
}

/// Up to this many differences all choices of signs are gone through.
const ENUMERATED_MAX: usize = 16;
/// The exact distribution of a sum of whole numbers may take this many additions.
const LATTICE_STEPS_MAX: f64 = 2e7;
/// Up to this many differences signs are drawn.
const DRAWN_MAX: usize = 2_000;
/// How often signs are drawn.
const DRAWS: u32 = 10_000;
/// With fewer draws than this in the tail, the tail is approximated.
const TAIL_DRAWS_MIN: u32 = 100;

/// Returns the p-value of the hypothesis that the differences are symmetric around 0, and how it was
/// found. Zeros say nothing and do not count.
pub fn sign_flip(differences: &[f64], seed: u64) -> (f64, SignFlip) {
    let sizes: Vec<f64> =
        differences.iter().filter(|one| **one != 0.0).map(|one| one.abs()).collect();
    let observed = differences.iter().sum::<f64>().abs();
    let scale: f64 = sizes.iter().sum();
    if sizes.is_empty() || observed <= 1e-12 * scale {
        return (1.0, SignFlip::Exact);
    }
    if let Some(steps) = whole_multiples(&sizes) {
        return (lattice(&steps, observed / scale), SignFlip::Exact);
    }
    // Sums that ought to be equal differ by rounding.
    let threshold = observed - 1e-9 * scale;
    if sizes.len() <= ENUMERATED_MAX {
        return (enumerate(&sizes, threshold), SignFlip::Exact);
    }
    if sizes.len() <= DRAWN_MAX {
        let beyond = draw(&sizes, threshold, seed);
        if beyond >= TAIL_DRAWS_MIN {
            // The observed signs are one of the choices: Phipson and Smyth (2010), SAGMB 9.
            return (f64::from(beyond + 1) / f64::from(DRAWS + 1), SignFlip::MonteCarlo);
        }
    }
    (saddlepoint(&sizes, observed), SignFlip::Saddlepoint)
}

/// Returns the sizes as whole multiples of a common unit, when there is one and the sums are few.
fn whole_multiples(sizes: &[f64]) -> Option<Vec<usize>> {
    let smallest = sizes.iter().copied().fold(f64::INFINITY, f64::min);
    (1..=12_u32).find_map(|parts| {
        let unit = smallest / f64::from(parts);
        let is_whole = |size: &f64| {
            let steps = size / unit;
            (steps - steps.round()).abs() < 1e-7 * steps.max(1.0)
        };
        let total = sizes.iter().sum::<f64>() / unit;
        #[expect(clippy::cast_precision_loss, reason = "there are few differences")]
        let is_cheap = total * sizes.len() as f64 <= LATTICE_STEPS_MAX;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small")]
        (is_cheap && sizes.iter().all(is_whole))
            .then(|| sizes.iter().map(|size| (size / unit).round() as usize).collect())
    })
}

/// P(|sum| >= `share` of the largest sum) of whole steps with random signs.
///
/// The sum of signed steps is twice the sum of a random subset less the total, so that the
/// distribution of subset sums says all.
fn lattice(steps: &[usize], share: f64) -> f64 {
    let total: usize = steps.iter().sum();
    let mut probabilities = vec![0.0; total + 1];
    probabilities[0] = 1.0;
    let mut reached = 0;
    for step in steps {
        for sum in (0..=reached).rev() {
            let half = probabilities[sum] / 2.0;
            probabilities[sum] = half;
            probabilities[sum + step] += half;
        }
        reached += step;
    }
    #[expect(clippy::cast_precision_loss, reason = "sums are far below 2^52")]
    let is_beyond =
        |sum: usize| (2.0 * sum as f64 - total as f64).abs() >= share * total as f64 - 1e-6;
    let tail = |sum: usize| if is_beyond(sum) { probabilities[sum] } else { 0.0 };
    (0..=total).map(tail).sum::<f64>().min(1.0)
}

/// Goes through all choices of signs by a Gray code: each step flips one sign.
fn enumerate(sizes: &[f64], threshold: f64) -> f64 {
    let choices = 1_u32 << sizes.len();
    let mut is_negative = vec![false; sizes.len()];
    let mut sum: f64 = sizes.iter().sum();
    let mut beyond = 0_u32;
    for choice in 1..=choices {
        beyond += u32::from(sum.abs() >= threshold);
        let flipped = (choice.trailing_zeros() as usize).min(sizes.len() - 1);
        let change = 2.0 * sizes[flipped];
        sum += if is_negative[flipped] { change } else { -change };
        is_negative[flipped] = !is_negative[flipped];
    }
    f64::from(beyond) / f64::from(choices)
}

/// Counts the draws of signs whose sum is beyond the threshold. Eight signs are one look into a table.
fn draw(sizes: &[f64], threshold: f64, seed: u64) -> u32 {
    let tables: Vec<[f64; 256]> = sizes.chunks(8).map(signed_sums).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5167);
    let mut beyond = 0;
    for _ in 0..DRAWS {
        let mut sum = 0.0;
        for eight in tables.chunks(8) {
            let bytes = random.next_u64().to_le_bytes();
            sum +=
                eight.iter().zip(bytes).map(|(table, byte)| table[usize::from(byte)]).sum::<f64>();
        }
        beyond += u32::from(sum.abs() >= threshold);
    }
    beyond
}

fn signed_sums(sizes: &[f64]) -> [f64; 256] {
    std::array::from_fn(|signs| {
        let signed = sizes
            .iter()
            .zip(0..)
            .map(|(size, place)| if signs >> place & 1 == 0 { *size } else { -*size });
        signed.sum()
    })
}

/// Lugannani and Rice's formula for the sum of differences with random signs, whose cumulant
/// generating function is the sum of log cosh(t d).
///
/// Robinson (1982), "Saddlepoint approximations for permutation tests and confidence intervals",
/// JRSS B 44, 91-101.
fn saddlepoint(sizes: &[f64], observed: f64) -> f64 {
    let total: f64 = sizes.iter().sum();
    if observed >= total * (1.0 - 1e-9) {
        // All signs alike: the two most extreme choices of all.
        return 2.0 * (-(count(sizes) * std::f64::consts::LN_2)).exp();
    }
    let t = saddle(sizes, observed);
    let cumulant: f64 = sizes.iter().map(|size| log_cosh(t * size)).sum();
    let curvature: f64 = sizes.iter().map(|size| (size / (t * size).cosh()).powi(2)).sum();
    let r = (2.0 * (t * observed - cumulant)).max(0.0).sqrt();
    let u = t * curvature.sqrt();
    if r < 1e-3 {
        // Close to the middle the formula is 0 / 0, and the normal distribution good enough.
        let deviation = sizes.iter().map(|size| size * size).sum::<f64>().sqrt();
        return (2.0 * normal_cdf(-observed / deviation)).min(1.0);
    }
    let density = (-r * r / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = normal_cdf(-r) + density * (1.0 / u - 1.0 / r);
    (2.0 * tail).clamp(f64::MIN_POSITIVE, 1.0)
}

/// Solves for the `t` at which the tilted sum has the observed mean, by Newton's method between
/// bounds that close in.
fn saddle(sizes: &[f64], observed: f64) -> f64 {
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut t = observed / sizes.iter().map(|size| size * size).sum::<f64>();
    for _ in 0..100 {
        let (slope, curvature) = sizes.iter().fold((0.0, 0.0), |(slope, curvature), size| {
            let tilt = (t * size).tanh();
            (slope + size * tilt, curvature + size * size * (1.0 - tilt * tilt))
        });
        if slope < observed {
            low = t;
        } else {
            high = t;
        }
        let next = t + (observed - slope) / curvature;
        let is_between = next > low && next < high;
        let step = if is_between { next } else { f64::midpoint(low, high.min(4.0 * t)) };
        if (step - t).abs() <= 1e-12 * t {
            break;
        }
        t = step;
    }
    t
}

fn log_cosh(x: f64) -> f64 {
    let x = x.abs();
    x + (-2.0 * x).exp().ln_1p() - std::f64::consts::LN_2
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
fn count(sizes: &[f64]) -> f64 {
    sizes.len() as f64
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
mod tests {
    use super::*;
    use crate::paired::mcnemar;
    use proptest::prelude::*;

    #[test]
    fn five_wins_of_five_are_not_enough() {
        assert_eq!(sign_flip(&[0.1, 0.25, 0.31, 0.07, 0.5], 0), (0.0625, SignFlip::Exact));
        assert_eq!(sign_flip(&[0.0; 9], 0), (1.0, SignFlip::Exact));
        assert_eq!(sign_flip(&[], 0), (1.0, SignFlip::Exact));
    }

    fn irregular(count: usize, shift: f64) -> Vec<f64> {
        (0..count)
            .map(|place| ((place as f64 * 12.9898).sin() * 43_758.545_3).fract() + shift)
            .collect()
    }

    #[test]
    fn draws_and_the_saddlepoint_agree_with_all_choices() {
        let differences = irregular(16, 0.45);
        let sizes: Vec<_> = differences.iter().map(|one| one.abs()).collect();
        let observed = differences.iter().sum::<f64>().abs();
        let exact = enumerate(&sizes, observed - 1e-9);
        let drawn = f64::from(draw(&sizes, observed - 1e-9, 3)) / f64::from(DRAWS);
        assert!((drawn - exact).abs() < 4.0 * (exact / f64::from(DRAWS)).sqrt(), "{drawn} {exact}");
        let near = saddlepoint(&sizes, observed);
        assert!((near / exact - 1.0).abs() < 0.1, "{near} {exact}");
    }

    #[test]
    fn a_far_tail_is_no_floor() {
        let (p, how) = sign_flip(&irregular(60, 0.8), 0);
        assert_eq!(how, SignFlip::Saddlepoint);
        assert!(p < 1e-7 && p > 0.0, "{p}");
        let (p, how) = sign_flip(&irregular(60, 0.02), 0);
        assert_eq!(how, SignFlip::MonteCarlo);
        assert!(p > 0.05, "{p}");
    }

    proptest! {
        #[test]
        fn of_whole_wins_and_losses_it_is_mcnemars(gained in 0_u64..60, lost in 0_u64..60, ties in 0_usize..9) {
            let mut differences = vec![0.0; ties];
            differences.extend((0..gained).map(|_| 1.0));
            differences.extend((0..lost).map(|_| -1.0));
            let (p, how) = sign_flip(&differences, 1);
            prop_assert_eq!(how, SignFlip::Exact);
            prop_assert!((p - mcnemar(gained, lost)).abs() < 1e-9);
        }

        #[test]
        fn thirds_are_summed_as_exactly_as_all_choices_are_counted(
            thirds in prop::collection::vec(-3_i32..=3, 1..14)
        ) {
            let differences: Vec<_> = thirds.iter().map(|one| f64::from(*one) / 3.0).collect();
            let sizes: Vec<_> =
                differences.iter().filter(|one| **one != 0.0).map(|one| one.abs()).collect();
            prop_assume!(!sizes.is_empty());
            let observed = differences.iter().sum::<f64>().abs();
            let (p, _) = sign_flip(&differences, 1);
            prop_assert!((p - enumerate(&sizes, observed - 1e-9)).abs() < 1e-9);
        }

        #[test]
        fn the_order_and_the_sign_of_all_say_nothing(
            differences in prop::collection::vec(-1.0..1.0_f64, 1..15)
        ) {
            let mirrored: Vec<_> = differences.iter().rev().map(|one| -one).collect();
            prop_assert!((sign_flip(&differences, 1).0 - sign_flip(&mirrored, 1).0).abs() < 1e-9);
        }
    }
}
