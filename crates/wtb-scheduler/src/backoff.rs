//! How long a failed cell waits before its next attempt: exponential growth with seeded jitter.
//!
//! The wait is a pure function of the setting, the number of failures and a random number given by
//! the caller, so the same batch waits the same times on every platform. It keeps no state.

use crate::{ids::Millis, rng};

/// An exponential backoff. The wait after the k-th failure is at most
/// `min(initial * factor^(k-1), max)` and at least that times `1 - jitter`.
///
/// ```
/// use wtb_scheduler::{Backoff, Millis};
/// let backoff = Backoff { initial: Millis(100), factor: 2.0, max: Millis(1_000), jitter: 0.5 };
/// assert_eq!(backoff.range(3), Millis(200)..=Millis(400));
/// assert_eq!(backoff.range(9), Millis(500)..=Millis(1_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait after the first failure, before jitter.
    pub initial: Millis,
    /// By how much the wait grows with each failure; at least 1.
    pub factor: f64,
    /// The longest wait; at least `initial`. A wait asked for by a server may be longer.
    pub max: Millis,
    /// Which part of the wait is random, from 0 (none) to 1 (all of it).
    pub jitter: f64,
}

impl Default for Backoff {
    /// One second, doubling up to one minute, half of it random.
    fn default() -> Self {
        Self { initial: Millis(1_000), factor: 2.0, max: Millis(60_000), jitter: 0.5 }
    }
}

impl Backoff {
    /// Returns the shortest and the longest wait after the `failure`-th failure (counted from 1).
    #[must_use]
    pub fn range(&self, failure: u32) -> std::ops::RangeInclusive<Millis> {
        let growth = power(self.factor, failure.saturating_sub(1));
        let longest = scale(self.initial, growth).min(self.max);
        let shortest = scale(longest, 1.0 - self.jitter).min(longest);
        shortest..=longest
    }

    /// Returns the wait after the `failure`-th failure, picked from [`range`](Self::range) by
    /// `random`, which should be evenly spread over all numbers.
    #[must_use]
    pub fn delay(&self, failure: u32, random: u64) -> Millis {
        let range = self.range(failure);
        let width = range.end().0 - range.start().0;
        Millis(range.start().0 + rng::scale_to(random, width))
    }
}

/// Multiplies by squaring. `f64::powi` may round differently from platform to platform; products
/// may not.
fn power(base: f64, exponent: u32) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "waits need no 53-bit precision; `as` saturates, and the factor is never negative"
)]
fn scale(millis: Millis, factor: f64) -> Millis {
    Millis((millis.0 as f64 * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_stops_at_the_maximum_even_when_the_power_overflows() {
        let backoff = Backoff { initial: Millis(1), factor: 10.0, max: Millis(5_000), jitter: 0.0 };
        assert_eq!(backoff.delay(1, 7), Millis(1));
        assert_eq!(backoff.delay(4, 7), Millis(1_000));
        assert_eq!(backoff.delay(u32::MAX, 7), Millis(5_000));
    }

    #[test]
    fn no_initial_wait_means_no_wait() {
        let backoff = Backoff { initial: Millis(0), ..Backoff::default() };
        assert_eq!(backoff.delay(3, u64::MAX), Millis(0));
    }

    #[test]
    fn full_jitter_spans_from_nothing_to_the_longest_wait() {
        let backoff = Backoff { jitter: 1.0, ..Backoff::default() };
        assert_eq!(backoff.delay(1, 0), Millis(0));
        assert_eq!(backoff.delay(1, u64::MAX), Millis(1_000));
    }
}
