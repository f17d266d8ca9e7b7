//! Sessions, and who may drive a batch.

use wtb_model::{AttemptStatus, BatchStatus, ExecutionStatus, SessionId};

use super::sample::{
    Batch, execution, execution_id, moment, outcome, requeue, session, session_id, start, start_by,
    succeed, unit,
};
use super::{Place, checks, refusal};
use crate::{Change, ExecutionFilter, Page, Receipt, Store, StoreError};

checks!("claims":
    sessions_come_back,
    a_living_owner_is_not_robbed,
    what_a_dead_session_ran_is_queued_again,
    a_dead_lease_writes_nothing,
    a_released_batch_is_anybodys,
    an_ended_session_owns_nothing,
    only_the_owner_moves_a_batch,
    only_the_owner_starts_attempts,
);

fn claim(
    store: &dyn Store,
    batch: &Batch,
    session: u64,
    from: Option<SessionId>,
) -> Result<Receipt, StoreError> {
    store.commit(unit([Change::ClaimBatch {
        batch: batch.record.id.clone(),
        session: session_id(session),
        from,
        at: moment(1_000),
    }]))
}

fn run_by(store: &dyn Store, batch: &Batch, session: u64) -> Result<Receipt, StoreError> {
    store.commit(unit([Change::SetBatchStatus {
        batch: batch.record.id.clone(),
        session: session_id(session),
        status: BatchStatus::Running,
        at: moment(5),
    }]))
}

/// A store with two open sessions and a batch of the first one.
fn prepared(
    place: &dyn Place,
    shape: (u32, u32, u32),
) -> Result<(Box<dyn Store>, Batch), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), shape);
    let sessions = [1, 2].map(|number| Change::OpenSession(session(number)));
    store.commit(unit(sessions.into_iter().chain([batch.create()])))?;
    Ok((store, batch))
}

fn sessions_come_back(place: &dyn Place) -> Result<(), StoreError> {
    let (store, _) = prepared(place, (1, 1, 1))?;
    let mut bare = session(3);
    bare.process_started = None;
    bare.started_at = moment(-5);
    let beat = Change::Heartbeat { session: session_id(1), at: moment(7) };
    let close = Change::CloseSession { session: session_id(2), at: moment(8) };
    store.commit(unit([Change::OpenSession(bare.clone()), beat, close]))?;
    drop(store);
    let store = place.open()?;
    let mut first = session(1);
    first.heartbeat_at = moment(7);
    assert_eq!(store.open_sessions()?, [first.clone(), bare]);
    assert_eq!(store.session(&session_id(1))?, first);
    assert_eq!(store.session(&session_id(2))?.ended_at, Some(moment(8)));
    refusal(store.commit(unit([Change::OpenSession(session(1))])));
    Ok(())
}

fn a_living_owner_is_not_robbed(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 1, 1))?;
    for from in [None, Some(session_id(2)), Some(session_id(3))] {
        let error = refusal(claim(store.as_ref(), &batch, 2, from));
        assert!(matches!(error, StoreError::NotOwner { .. }), "{error}");
        assert!(error.to_string().contains(session_id(1).as_str()), "{error}");
    }
    assert_eq!(store.batch(&batch.record.id)?.batch.session, Some(session_id(1)));
    claim(store.as_ref(), &batch, 2, Some(session_id(1)))?;
    assert_eq!(store.batch(&batch.record.id)?.batch.session, Some(session_id(2)));
    Ok(())
}

fn what_a_dead_session_ran_is_queued_again(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 4, 1))?;
    let other = Batch::new(2, &session_id(1), (1, 1, 1));
    let elsewhere = &other.executions[0].id;
    let ids: Vec<_> = batch.ids().collect();
    store.commit(unit([other.create(), start(elsewhere, 1, 1)]))?;
    store.commit(unit([start(ids[0], 1, 1), start(ids[1], 1, 1), start(ids[2], 1, 1)]))?;
    store.commit(unit([succeed(ids[2])]))?;
    claim(store.as_ref(), &batch, 2, Some(session_id(1)))?;

    let counts = store.batch(&batch.record.id)?.counts;
    assert_eq!((counts.queued, counts.running, counts.succeeded), (3, 0, 1));
    for id in [ids[0], ids[1]] {
        let execution = store.execution(id)?;
        assert_eq!(execution.status, ExecutionStatus::Queued);
        assert_eq!((execution.attempts, execution.token), (1, 1), "what it used up stays");
        let attempt = &store.detail(id)?.attempts[0];
        assert_eq!(attempt.status, AttemptStatus::Lost);
        assert_eq!(attempt.finished_at, Some(moment(1_000)));
    }
    assert_eq!(store.detail(ids[2])?.attempts[0].status, AttemptStatus::Succeeded);
    assert_eq!(store.execution(elsewhere)?.status, ExecutionStatus::Running, "another batch");
    Ok(())
}

fn a_dead_lease_writes_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 1, 1))?;
    let id = &batch.executions[0].id;
    store.commit(unit([start(id, 1, 1)]))?;
    claim(store.as_ref(), &batch, 2, Some(session_id(1)))?;
    let before = (store.execution(id)?, store.detail(id)?);
    let error = refusal(store.commit(unit([succeed(id)])));
    assert!(matches!(error, StoreError::Fenced { token: 1, .. }), "{error}");
    let by_heir = |lease| unit([start_by(&session_id(2), id, lease)]);
    let error = refusal(store.commit(by_heir((2, 1))));
    assert!(matches!(error, StoreError::Fenced { token: 1, .. }), "{error}");
    assert_eq!((store.execution(id)?, store.detail(id)?), before);

    store.commit(by_heir((2, 2)))?;
    let error = refusal(store.commit(unit([succeed(id)])));
    assert!(matches!(error, StoreError::Fenced { token: 1, .. }), "{error}");
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    store.commit(unit([super::sample::finish(id, (2, 2), ends, outcome(0))]))?;
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Succeeded);
    Ok(())
}

fn a_released_batch_is_anybodys(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 2, 1))?;
    let release = |session| Change::ReleaseBatch {
        batch: batch.record.id.clone(),
        session: session_id(session),
    };
    refusal(store.commit(unit([release(2)])));
    store.commit(unit([release(1)]))?;
    let found = store.batch(&batch.record.id)?;
    assert_eq!((found.batch.session, found.counts.queued), (None, 2));
    let error = refusal(run_by(store.as_ref(), &batch, 1));
    assert!(matches!(error, StoreError::NotOwner { .. }), "{error}");
    refusal(store.commit(unit([release(1)])));
    claim(store.as_ref(), &batch, 2, None)?;
    run_by(store.as_ref(), &batch, 2)?;
    Ok(())
}

fn an_ended_session_owns_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 1, 1))?;
    let close = Change::CloseSession { session: session_id(1), at: moment(8) };
    store.commit(unit([close]))?;
    let error = refusal(run_by(store.as_ref(), &batch, 1));
    assert!(matches!(error, StoreError::NotOwner { .. }), "{error}");
    claim(store.as_ref(), &batch, 2, None)?;
    run_by(store.as_ref(), &batch, 2)?;
    Ok(())
}

fn only_the_owner_moves_a_batch(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 1, 1))?;
    let error = refusal(run_by(store.as_ref(), &batch, 2));
    assert!(matches!(error, StoreError::NotOwner { .. }), "{error}");
    run_by(store.as_ref(), &batch, 1)?;
    assert_eq!(store.batch(&batch.record.id)?.batch.status, BatchStatus::Running);
    refusal(claim(store.as_ref(), &Batch::new(404, &session_id(1), (0, 0, 0)), 2, None));
    let filter = ExecutionFilter { single: true, ..ExecutionFilter::default() };
    assert!(store.executions(&filter, Page::ALL)?.is_empty());
    assert!(store.execution(&execution_id(404)).is_err());
    Ok(())
}

fn only_the_owner_starts_attempts(place: &dyn Place) -> Result<(), StoreError> {
    let (store, batch) = prepared(place, (1, 1, 1))?;
    let id = &batch.executions[0].id;
    let refused = |session, owner: Option<u64>| -> Result<(), StoreError> {
        let before = (store.execution(id)?, store.detail(id)?);
        let start = start_by(&session_id(session), id, (1, 1));
        match refusal(store.commit(unit([start]))) {
            StoreError::NotOwner { owner: found, what } => {
                assert_eq!(found, owner.map(|number| session_id(number).to_string()));
                assert!(what.contains(id.as_str()), "{what}");
            }
            other => panic!("expected another owner to be the reason, not {other}"),
        }
        assert_eq!((store.execution(id)?, store.detail(id)?), before);
        Ok(())
    };
    refused(2, Some(1))?;
    claim(store.as_ref(), &batch, 2, Some(session_id(1)))?;
    refused(1, Some(2))?;
    let release = Change::ReleaseBatch { batch: batch.record.id.clone(), session: session_id(2) };
    store.commit(unit([release]))?;
    refused(2, None)?;
    claim(store.as_ref(), &batch, 1, None)?;
    store.commit(unit([start(id, 1, 1), succeed(id)]))?;

    let close = Change::CloseSession { session: session_id(1), at: moment(8) };
    store.commit(unit([requeue(id), close]))?;
    refused(1, None)?;

    // A single execution has no batch that could have an owner.
    let single = execution(7);
    let start = start_by(&session_id(2), &single.id, (1, 1));
    store.commit(unit([Change::CreateExecution(Box::new(single)), start]))?;
    Ok(())
}
