//! What must be true of a stored batch, whatever happened to it: recomputed from its journal.

use std::collections::HashMap;

use wtb_model::{
    AttemptStatus, BatchId, EventBody, ExecutionId, ExecutionStatus, JournalEntry, StatusCounts,
};
use wtb_store::Store;

use crate::support::{executions, journal};

/// What the journal says of one execution.
#[derive(Default)]
struct Told {
    starts: u32,
    status: Option<ExecutionStatus>,
}

/// Checks that rows, counts and journal agree, and that no execution has more than one accepted
/// outcome each time it was queued.
pub(crate) fn audit(store: &dyn Store, batch: &BatchId) {
    let entries = journal(store, batch);
    let told = tell(&entries);
    let mut counts = StatusCounts::default();
    for execution in executions(store, batch) {
        let (id, status) = (&execution.id, execution.status);
        *counts.of(status) += 1;
        let own = told.get(id);
        assert_eq!(own.and_then(|own| own.status).unwrap_or(ExecutionStatus::Queued), status);
        assert_eq!(own.map_or(0, |own| own.starts), execution.attempts, "starts of {id}");
        let attempts = store.detail(id).unwrap().attempts;
        let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, (1..=execution.attempts).collect::<Vec<_>>(), "attempts of {id}");
        assert!(attempts.is_sorted_by_key(|attempt| attempt.token), "tokens of {id}");
        let open = attempts.iter().filter(|one| one.status == AttemptStatus::Running).count();
        assert_eq!(open > 0, status == ExecutionStatus::Running, "open attempts of {id}");
        if let (true, Some(last)) = (status.is_final(), attempts.last())
            && status != ExecutionStatus::Cancelled
        {
            let lost = status == ExecutionStatus::Failed && last.status == AttemptStatus::Lost;
            assert!(lost || last.status.as_str() == status.as_str(), "the last attempt of {id}");
        }
    }
    let summary = store.batch(batch).unwrap();
    assert_eq!(summary.counts, counts, "the counts are those of a recount");
    check_tokens(&entries);
    if summary.batch.status.is_final() {
        assert_eq!(counts.outstanding(), 0, "a batch that has ended has nothing outstanding");
    }
}

/// Follows each execution through the journal; panics where two outcomes follow each other.
fn tell(entries: &[JournalEntry]) -> HashMap<ExecutionId, Told> {
    let mut told: HashMap<_, Told> = HashMap::new();
    for entry in entries {
        let Some(execution) = entry.event.execution.clone() else {
            continue;
        };
        let own = told.entry(execution.clone()).or_default();
        let before = own.status.unwrap_or(ExecutionStatus::Queued);
        let next = match &entry.event.body {
            EventBody::ExecutionStarted { attempt, .. } => {
                own.starts += 1;
                assert_eq!(*attempt, own.starts, "attempts of {execution} are numbered in order");
                // A session that was killed leaves no event: its attempt was lost.
                assert!(!before.is_final(), "{execution} is started when it has ended");
                ExecutionStatus::Running
            }
            EventBody::ExecutionRetrying { .. } | EventBody::ExecutionRequeued { .. } => {
                ExecutionStatus::Queued
            }
            EventBody::ExecutionSucceeded { .. } => ExecutionStatus::Succeeded,
            EventBody::ExecutionFailed { .. } => ExecutionStatus::Failed,
            EventBody::ExecutionTimedOut { .. } => ExecutionStatus::TimedOut,
            EventBody::ExecutionCancelled { .. } => ExecutionStatus::Cancelled,
            EventBody::ExecutionInterrupted { .. } => ExecutionStatus::Interrupted,
            EventBody::ExecutionPaused { .. } => ExecutionStatus::Paused,
            _ => continue,
        };
        assert!(
            !before.is_final() || next == ExecutionStatus::Queued,
            "{execution} went from `{before}` to `{next}`: a second outcome was accepted"
        );
        own.status = Some(next);
    }
    told
}

/// No token is accepted twice, and none that was fenced is accepted later.
fn check_tokens(entries: &[JournalEntry]) {
    let started = entries
        .iter()
        .filter(|entry| matches!(entry.event.body, EventBody::ExecutionStarted { .. }))
        .count();
    let outcomes = entries.iter().filter(|entry| {
        matches!(
            entry.event.body,
            EventBody::ExecutionSucceeded { .. }
                | EventBody::ExecutionFailed { .. }
                | EventBody::ExecutionTimedOut { .. }
                | EventBody::ExecutionRetrying { .. }
        )
    });
    assert!(outcomes.count() <= started, "at most one outcome for each attempt that was started");
}
