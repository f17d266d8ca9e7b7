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
        let end = match outcome.status {
            End::Succeeded => AttemptEnd::Succeeded,
            End::Failed => AttemptEnd::Failed {
                retryable: outcome.retryable,
                retry_after: outcome.retry_after_s.map(milliseconds),
            },
            End::Interrupted => AttemptEnd::Interrupted,
            End::Paused => AttemptEnd::Paused,
            End::Cancelled => AttemptEnd::Cancelled,
            End::TimedOut => AttemptEnd::TimedOut,
        };
        Ok(Self { end, outcome: outcome.into_record(store, attempt)? })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of floats saturates, and nothing waits for a negative time"
)]
fn milliseconds(seconds: f64) -> Millis {
    Millis((seconds * 1e3).ceil() as u64)
}
