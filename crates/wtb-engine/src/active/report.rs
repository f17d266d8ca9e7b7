//! What the scheduler's words are in the words of the store and the journal.

use wtb_model::{AttemptOutcome, AttemptStatus, ErrorInfo, EventBody, ExecutionStatus};
use wtb_scheduler::{AttemptEnd, CellEnd, ExpireCause, FenceReason};
use wtb_workspace::SnapshotId;

/// The event of an attempt that is followed by another one.
pub(super) fn retrying(
    attempt: u32,
    status: AttemptStatus,
    backoff_ms: u64,
    outcome: &AttemptOutcome,
) -> EventBody {
    let message = outcome.error.as_ref().map(one_line).unwrap_or_default();
    EventBody::ExecutionRetrying { attempt, cause: status.to_string(), message, backoff_ms }
}

/// The event of an execution that ended; `reason` says why if it was cancelled.
pub(super) fn ended(
    attempt: u32,
    status: ExecutionStatus,
    dead_letter: bool,
    outcome: &AttemptOutcome,
    reason: &str,
) -> EventBody {
    match status {
        ExecutionStatus::Failed => {
            let error = outcome.error.as_ref();
            EventBody::ExecutionFailed {
                attempt,
                node: error.and_then(|error| error.node.clone()),
                error: error.map(|error| error.kind.clone()).unwrap_or_default(),
                message: error.map(|error| error.message.clone()).unwrap_or_default(),
                dead_letter,
            }
        }
        ExecutionStatus::TimedOut => EventBody::ExecutionTimedOut { attempt, dead_letter },
        ExecutionStatus::Interrupted => EventBody::ExecutionInterrupted { attempt },
        ExecutionStatus::Paused => EventBody::ExecutionPaused { attempt },
        ExecutionStatus::Cancelled => {
            EventBody::ExecutionCancelled { reason: format!("{reason} during attempt {attempt}") }
        }
        ExecutionStatus::Succeeded | ExecutionStatus::Queued | ExecutionStatus::Running => {
            let logged = outcome.metrics.iter();
            EventBody::ExecutionSucceeded {
                attempt,
                duration_us: outcome.duration_us,
                nodes: outcome.nodes.len() as u64,
                metrics: logged
                    .filter_map(|score| score.value.map(|value| (score.name.clone(), value)))
                    .collect(),
            }
        }
    }
}

/// The event of the files that an attempt has left, if it had a workspace.
pub(super) fn tracking(attempt: u32, outcome: &AttemptOutcome) -> Option<EventBody> {
    if let Some(message) = &outcome.files_error {
        return Some(EventBody::FilesTrackingFailed { attempt, message: message.clone() });
    }
    let snapshot = outcome.files.as_ref().and_then(SnapshotId::of_reference)?;
    Some(EventBody::FilesTracked { attempt, snapshot: snapshot.to_string() })
}

/// How an attempt that the scheduler ended itself is kept.
pub(super) fn expired(
    cause: ExpireCause,
    attempt: u32,
    duration_us: u64,
) -> (AttemptStatus, AttemptOutcome) {
    let (status, error) = match cause {
        ExpireCause::Timeout => {
            let message = format!("attempt {attempt} outlived its deadline");
            (AttemptStatus::TimedOut, Some(("TimeoutError", message)))
        }
        ExpireCause::Lost => {
            (AttemptStatus::Lost, Some(("WorkerLostError", "the worker was lost".to_owned())))
        }
        ExpireCause::LeaseExpired => {
            (AttemptStatus::Lost, Some(("WorkerLostError", "the worker fell silent".to_owned())))
        }
        ExpireCause::Cancelled => (AttemptStatus::Cancelled, None),
    };
    let error = error.map(|(kind, message)| ErrorInfo {
        kind: kind.to_owned(),
        message,
        traceback: None,
        node: None,
    });
    (status, AttemptOutcome { error, duration_us, ..AttemptOutcome::default() })
}

pub(super) const fn attempt_status(end: AttemptEnd) -> AttemptStatus {
    match end {
        AttemptEnd::Succeeded => AttemptStatus::Succeeded,
        AttemptEnd::Failed { .. } => AttemptStatus::Failed,
        AttemptEnd::TimedOut => AttemptStatus::TimedOut,
        AttemptEnd::Cancelled => AttemptStatus::Cancelled,
        AttemptEnd::Interrupted => AttemptStatus::Interrupted,
        AttemptEnd::Paused => AttemptStatus::Paused,
    }
}

pub(super) const fn execution_status(end: CellEnd) -> ExecutionStatus {
    match end {
        CellEnd::Succeeded => ExecutionStatus::Succeeded,
        CellEnd::Failed => ExecutionStatus::Failed,
        CellEnd::TimedOut => ExecutionStatus::TimedOut,
        CellEnd::Cancelled => ExecutionStatus::Cancelled,
        CellEnd::Interrupted => ExecutionStatus::Interrupted,
        CellEnd::Paused => ExecutionStatus::Paused,
    }
}

pub(super) const fn fence_reason(reason: FenceReason) -> &'static str {
    match reason {
        FenceReason::Stale => "the attempt had expired",
        FenceReason::Duplicate => "the attempt was completed before",
        FenceReason::Unknown => "no attempt has this token",
    }
}

pub(super) fn one_line(error: &ErrorInfo) -> String {
    let message = error.message.lines().next().unwrap_or_default();
    format!("{}: {message}", error.kind)
}
