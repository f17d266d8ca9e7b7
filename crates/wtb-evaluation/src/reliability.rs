//! What repeats say: how often a case is solved at all, always, and now and then.

use crate::sample::Sample;

/// How reliable a variant is on repeats of its cases, for scores of 0 and 1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Reliability {
    /// The chance that at least one of k attempts at a case succeeds, for k from 1.
    pub pass_at: Vec<f64>,
    /// The chance that all of k attempts at a case succeed (pass^k), for k from 1.
    pub pass_all: Vec<f64>,
    /// The share of cases, of those with repeats, whose repeats disagree, 0 to 1.
    pub flip_rate: f64,
}

impl Reliability {
    /// Measures a variant; `None` where its values are not only 0 and 1, or no case has repeats.
    ///
    /// k goes up to the number of repeats that all cases have that have repeats.
    pub fn of(sample: &Sample, variant: usize) -> Option<Self> {
        if !sample.is_binary(variant) {
            return None;
        }
        let tallies: Vec<(u32, u32)> = (0..sample.cases())
            .map(|case| {
                let values = sample.values(case, variant);
                values.fold((0, 0), |(n, passed), value| (n + 1, passed + u32::from(value > 0.5)))
            })
            .filter(|(n, _)| *n > 1)
            .collect();
        let repeats = tallies.iter().map(|(n, _)| *n).min()?;
        let mean = |of: &dyn Fn(u32, u32) -> f64| {
            tallies.iter().map(|(n, passed)| of(*n, *passed)).sum::<f64>()
                / crate::interval::count(tallies.len())
        };
        Some(Self {
            pass_at: (1..=repeats).map(|k| mean(&|n, passed| pass_at(n, passed, k))).collect(),
            pass_all: (1..=repeats).map(|k| mean(&|n, passed| pass_all(n, passed, k))).collect(),
            flip_rate: mean(&|n, passed| if passed > 0 && passed < n { 1.0 } else { 0.0 }),
        })
    }
}

/// Returns the unbiased estimate of the chance that at least one of `k` attempts succeeds, of
/// `passed` successes in `n` attempts, `k` <= `n`.
///
/// 1 - C(n - c, k) / C(n, k): Chen et al. (2021), "Evaluating large language models trained on code",
/// arXiv 2107.03374.
pub fn pass_at(n: u32, passed: u32, k: u32) -> f64 {
    1.0 - pass_all(n, n - passed, k)
}

/// Returns the unbiased estimate of the chance that all of `k` attempts succeed, of `passed`
/// successes in `n` attempts, `k` <= `n`.
///
/// C(c, k) / C(n, k): Yao et al. (2024), "tau-bench", arXiv 2406.12045.
pub fn pass_all(n: u32, passed: u32, k: u32) -> f64 {
    (0..k).map(|one| f64::from(passed.saturating_sub(one)) / f64::from(n - one)).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Observation;
    use proptest::prelude::*;

    #[test]
    fn a_case_that_flips_lowers_pass_all_and_raises_pass_at() {
        let observations: Vec<_> = [(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)]
            .map(|(case, repeat, value)| Observation { variant: 0, case, repeat, value })
            .into();
        let found = Reliability::of(&Sample::new(1, &[None, None], &observations), 0).unwrap();
        assert_eq!(found.pass_at, [0.75, 1.0]);
        assert_eq!(found.pass_all, [0.75, 0.5]);
        assert!((found.flip_rate - 0.5).abs() < 1e-12);
    }

    #[test]
    fn without_repeats_or_with_grades_there_is_none() {
        let one = |value, repeat| Observation { variant: 0, case: 0, repeat, value };
        assert_eq!(Reliability::of(&Sample::new(1, &[None], &[one(1.0, 0)]), 0), None);
        assert_eq!(Reliability::of(&Sample::new(1, &[None], &[one(0.5, 0), one(1.0, 1)]), 0), None);
    }

    fn choose(n: u32, k: u32) -> f64 {
        (0..k).map(|one| f64::from(n - one) / f64::from(k - one)).product()
    }

    proptest! {
        #[test]
        fn they_are_shares_of_the_choices(n in 1_u32..30, passed in 0_u32..30, k in 1_u32..30) {
            prop_assume!(passed <= n && k <= n);
            let all = if passed >= k { choose(passed, k) / choose(n, k) } else { 0.0 };
            let none = if n - passed >= k { choose(n - passed, k) / choose(n, k) } else { 0.0 };
            prop_assert!((pass_all(n, passed, k) - all).abs() < 1e-9);
            prop_assert!((pass_at(n, passed, k) - (1.0 - none)).abs() < 1e-9);
        }
    }
}
