//! Attempts that are handed out ahead of their start, and taken back.

use wtb_model::{AttemptStatus, ExecutionStatus};

use super::sample::{
    Batch, cancel_handed, execution, finish, outcome, requeue, session_id, start, succeed, unit,
};
use super::{Place, checks, refusal};
use crate::{Change, Lease, StoreError};

checks!("handed":
    what_was_taken_back_cannot_start,
    what_has_started_cannot_be_taken_back,
    what_is_cancelled_before_its_start_cannot_start,
    what_is_cancelled_after_its_start_ends,
    a_later_lease_is_not_cancelled_by_an_earlier_one,
);

fn revoke(execution: &wtb_model::ExecutionId, token: u64) -> Change {
    Change::RevokeLease { lease: Lease { execution: execution.clone(), token } }
}

fn what_was_taken_back_cannot_start(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), revoke(id, 5)]))?;
    let found = store.execution(id)?;
    assert_eq!((found.status, found.attempts), (ExecutionStatus::Queued, 0));
    for token in [4, 5] {
        let error = refusal(store.commit(unit([start(id, 1, token)])));
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    store.commit(unit([start(id, 1, 6)]))?;
    Ok(())
}

fn what_has_started_cannot_be_taken_back(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 1),
        revoke(id, 1),
        revoke(id, 9),
    ]))?;
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Running);
    // Nor does it matter to what has ended.
    store.commit(unit([succeed(id), revoke(id, 9)]))?;
    assert_eq!(store.execution(id)?.token, 1);
    Ok(())
}

fn what_is_cancelled_before_its_start_cannot_start(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let id = &batch.executions[0].id;
    store.commit(unit([batch.create(), cancel_handed(id, (1, 7))]))?;
    let found = store.execution(id)?;
    assert_eq!((found.status, found.attempts), (ExecutionStatus::Cancelled, 0));
    assert!(found.settled && found.output.is_none());
    assert_eq!(store.batch(&batch.record.id)?.counts.cancelled, 1);
    let error = refusal(store.commit(unit([start(id, 1, 7)])));
    assert!(matches!(error, StoreError::Illegal(_)), "{error}");
    let error = refusal(store.commit(unit([requeue(id), start(id, 1, 7)])));
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    Ok(())
}

fn what_is_cancelled_after_its_start_ends(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let create = Change::CreateExecution(Box::new(single.clone()));
    store.commit(unit([create, start(id, 1, 7), cancel_handed(id, (1, 7))]))?;
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Cancelled);
    let attempts = store.detail(id)?.attempts;
    assert_eq!(attempts[0].status, AttemptStatus::Cancelled);
    Ok(())
}

fn a_later_lease_is_not_cancelled_by_an_earlier_one(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let create = Change::CreateExecution(Box::new(single.clone()));
    store.commit(unit([create, start(id, 1, 7)]))?;
    let ends = (AttemptStatus::Lost, ExecutionStatus::Queued);
    store.commit(unit([finish(id, (1, 7), ends, outcome(0))]))?;
    for lease in [(1, 6), (1, 7)] {
        let error = refusal(store.commit(unit([cancel_handed(id, lease)])));
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Queued);
    Ok(())
}
