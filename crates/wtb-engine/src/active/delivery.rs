//! What workers deliver, wherever they live.

use wtb_model::AttemptOutcome;
use wtb_scheduler::{AttemptEnd, Millis};
use wtb_store::Store;
use wtb_worker::{End, Outcome, OutcomeError};

/// How an attempt ended and what it delivers.
#[derive(Debug)]
pub struct Delivery {
    /// How it ended, for the scheduler.
    pub end: AttemptEnd,
    /// What it delivers, for the store.
    pub outcome: AttemptOutcome,
}

impl Delivery {
    /// Stores an outcome's large values, and makes it ready to be delivered.
    pub fn of(store: &dyn Store, attempt: u32, outcome: Outcome) -> Result<Self, OutcomeError> {
        let retry_after_ms = outcome.retry_after_s.map(milliseconds);
        let end = attempt_end(outcome.status, outcome.retryable, retry_after_ms);
        Ok(Self { end, outcome: outcome.into_record(store, attempt)? })
    }
}

/// What a worker says of an end, as the scheduler takes it.
pub(super) const fn attempt_end(
    end: End,
    retryable: bool,
    retry_after_ms: Option<u64>,
) -> AttemptEnd {
    match end {
        End::Succeeded => AttemptEnd::Succeeded,
        End::Failed => {
            let retry_after = match retry_after_ms {
                Some(wait) => Some(Millis(wait)),
                None => None,
            };
            AttemptEnd::Failed { retryable, retry_after }
        }
        End::Interrupted => AttemptEnd::Interrupted,
        End::Paused => AttemptEnd::Paused,
        End::Cancelled => AttemptEnd::Cancelled,
        End::TimedOut => AttemptEnd::TimedOut,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of floats saturates, and nothing waits for a negative time"
)]
pub(crate) fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1e3).ceil() as u64
}
