//! The scheduler's settings, from what was asked of a batch or a single execution.

use wtb_model::{BatchSpec, FailFast};
use wtb_scheduler::{Backoff, Config, Millis};

/// A fail-fast share means nothing before this many executions have ended.
const FAIL_FAST_SAMPLE_MIN: u32 = 10;
/// Workers that are processes are ended at their deadline by their supervisor, which then delivers what
/// they had recorded. The scheduler's own deadline is so much later, for a supervisor that fails.
const PROCESS_DEADLINE_GRACE_MS: u64 = 60_000;

/// The kind of runner whose workers are supervisors in processes of their own.
const RAY: &str = "ray";

/// The scheduler's settings for a single execution.
pub(crate) fn single_config(timeout_ms: Option<u64>, first_token: u64) -> Config {
    Config {
        max_in_flight: 1,
        window: 1,
        attempt_timeout: timeout_ms.map(Millis),
        max_losses: BatchSpec::losses_max(),
        first_token,
        ..Config::default()
    }
}

/// The scheduler's settings for a batch.
pub(crate) fn scheduler_config(spec: &BatchSpec, first_token: u64) -> Config {
    let hands_ahead = spec.runner == RAY;
    let is_supervised = hands_ahead || spec.runner == "process";
    let later = if is_supervised { PROCESS_DEADLINE_GRACE_MS } else { 0 };
    Config {
        max_in_flight: spec.max_workers,
        window: spec.window,
        attempt_timeout: spec.timeout_ms.map(|timeout| Millis(timeout.saturating_add(later))),
        retries: spec.retries,
        backoff: Backoff {
            initial: Millis(spec.backoff.initial_ms),
            factor: spec.backoff.factor,
            max: Millis(spec.backoff.max_ms),
            jitter: spec.backoff.jitter,
        },
        seed: spec.seed,
        fail_fast: spec.fail_fast.map(|fail_fast| match fail_fast {
            FailFast::Count(count) => wtb_scheduler::FailFast::Count(count),
            FailFast::Fraction(fraction) => {
                wtb_scheduler::FailFast::Fraction { fraction, min_sample: FAIL_FAST_SAMPLE_MIN }
            }
        }),
        lease_ttl: None,
        max_losses: spec.losses_max,
        first_token,
        settle: !spec.evaluators.is_empty(),
        hands_ahead,
    }
}
