//! Where an active batch stands, as plain data for whoever shows it.

use serde::Serialize;
use wtb_model::{BatchStatus, StatusCounts};

/// A failure worth showing while the batch still runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The execution's id.
    pub execution: String,
    /// The variant's name.
    pub variant: String,
    /// The case's id.
    pub case: String,
    /// The node that failed, when it is known.
    pub node: Option<String>,
    /// The error in one line.
    pub message: String,
}

/// Where an active batch stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// How many executions the batch has.
    pub total: u64,
    /// How many executions stand where.
    pub counts: StatusCounts,
    /// How many await their scores.
    pub unscored: u64,
    /// How many attempts were retried in this session.
    pub retried: u64,
    /// Since this session took the batch up, until now or until it ended, in milliseconds.
    pub elapsed_ms: u64,
    /// Executions ended per second in this session.
    pub per_second: f64,
    /// Estimated milliseconds until the last one ends, once there is a rate.
    pub remaining_ms: Option<u64>,
    /// The batch's state; `None` for a single execution.
    pub status: Option<BatchStatus>,
    /// Whether backpressure is applied at the moment.
    pub backpressure: bool,
    /// The most recent failures, oldest first; at most [`Progress::FAILURES_MAX`].
    pub failures: Vec<Failure>,
}

impl Progress {
    /// How many recent failures are kept in memory.
    pub const FAILURES_MAX: usize = 8;
}

/// Derives rate and remaining time from what this session has done.
pub(crate) fn rate(ended: u64, outstanding: u64, elapsed_ms: u64) -> (f64, Option<u64>) {
    if ended == 0 || elapsed_ms == 0 {
        return (0.0, None);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]
    let per_second = ended as f64 * 1000.0 / elapsed_ms as f64;
    (per_second, Some(elapsed_ms.saturating_mul(outstanding) / ended))
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn the_rest_takes_as_long_per_execution_as_the_past() {
        assert_eq!(rate(0, 10, 500), (0.0, None));
        assert_eq!(rate(10, 30, 2_000), (5.0, Some(6_000)));
    }
}
