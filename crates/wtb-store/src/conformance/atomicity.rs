//! Units commit as a whole or not at all, each on its own, in the order of their submission.

use wtb_model::{BatchStatus, EventBody};

use super::sample::{Batch, event, note, session, session_id, start, succeed, unit};
use super::{Place, checks, refusal};
use crate::{BatchFilter, Change, ExecutionDetail, JournalFilter, Page, StoreError, UnitOfWork};

checks!("atomicity":
    a_refused_unit_leaves_nothing,
    a_refused_batch_leaves_nothing,
    a_refused_unit_leaves_its_neighbours,
    units_commit_in_the_order_of_submission,
    a_unit_of_nothing_is_durable_at_once,
);

fn a_refused_unit_leaves_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 2, 1));
    store.commit(unit([Change::OpenSession(session(1)), batch.create()]))?;
    let before = (store.batch(&batch.record.id)?, store.last_sequence()?);

    let [first, second] = [&batch.executions[0].id, &batch.executions[1].id];
    let bad = UnitOfWork {
        changes: vec![start(first, 1, 1), succeed(first), succeed(second)],
        events: vec![note(1)],
    };
    let error = refusal(store.commit(bad));
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");

    assert_eq!((store.batch(&batch.record.id)?, store.last_sequence()?), before);
    assert_eq!(store.execution(first)?, batch.executions[0]);
    assert_eq!(store.detail(first)?, ExecutionDetail::default());
    assert!(store.journal(&JournalFilter::default(), 0, 10)?.is_empty());

    let receipt = store.commit(UnitOfWork::of_events(vec![note(2)]))?;
    assert_eq!(store.last_sequence()?, receipt.sequence);
    Ok(())
}

fn a_refused_batch_leaves_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let mut twice_a_case = Batch::new(1, &session_id(1), (2, 2, 1));
    twice_a_case.cases[1] = twice_a_case.cases[0].clone();
    let mut twice_a_variant = Batch::new(2, &session_id(1), (2, 2, 1));
    twice_a_variant.variants[1] = twice_a_variant.variants[0].clone();
    let mut twice_a_cell = Batch::new(3, &session_id(1), (2, 2, 1));
    twice_a_cell.executions[1].case_index = 0;
    for bad in [&twice_a_case, &twice_a_variant, &twice_a_cell] {
        refusal(store.commit(unit([bad.create()])));
        assert!(store.batch(&bad.record.id).is_err());
        assert!(store.execution(&bad.executions[0].id).is_err());
    }
    assert!(store.batches(&BatchFilter::default(), Page::ALL)?.is_empty());

    let good = Batch::new(1, &session_id(1), (2, 2, 1));
    store.commit(unit([good.create()]))?;
    refusal(store.commit(unit([good.create()])));
    assert_eq!(store.batch(&good.record.id)?.counts.queued, 4);
    Ok(())
}

fn a_refused_unit_leaves_its_neighbours(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 60, 1));
    store.commit(unit([batch.create()]))?;
    // Queued together, so that a store that groups units has good and bad ones in one group.
    let mut tickets = Vec::new();
    for (index, id) in batch.ids().enumerate() {
        let second = if index % 3 == 0 { succeed(&batch.executions[59].id) } else { succeed(id) };
        let changes = vec![start(id, 1, 1), second];
        let body = EventBody::ExecutionCancelled { reason: index.to_string() };
        let events = vec![event(None, Some(id), body)];
        tickets.push(store.submit(UnitOfWork { changes, events })?);
    }
    for (index, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait().is_err(), index % 3 == 0, "unit {index}");
    }
    let counts = store.batch(&batch.record.id)?.counts;
    assert_eq!((counts.queued, counts.running, counts.succeeded), (20, 0, 40));
    assert_eq!(store.journal(&JournalFilter::default(), 0, 100)?.len(), 40);
    Ok(())
}

fn units_commit_in_the_order_of_submission(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let owner = session_id(1);
    let batch = Batch::new(1, &owner, (1, 1, 1));
    let id = batch.record.id.clone();
    let status = |status| Change::SetBatchStatus {
        batch: id.clone(),
        session: owner.clone(),
        status,
        at: super::sample::moment(0),
    };
    let mut tickets = vec![store.submit(unit([batch.create()]))?];
    // Each step is legal only after the one before it.
    for number in 0..20 {
        let step = if number % 2 == 0 { BatchStatus::Running } else { BatchStatus::Paused };
        tickets.push(store.submit(UnitOfWork::new(status(step), note(number)))?);
    }
    let mut last = 0;
    for ticket in tickets {
        let receipt = ticket.wait()?;
        assert!(receipt.sequence >= last, "receipts go forwards");
        last = receipt.sequence;
    }
    let bodies: Vec<_> = store
        .journal(&JournalFilter::default(), 0, 100)?
        .into_iter()
        .map(|entry| entry.event.body)
        .collect();
    let expected: Vec<_> = (0..20).map(|number| note(number).body).collect();
    assert_eq!(bodies, expected);
    Ok(())
}

fn a_unit_of_nothing_is_durable_at_once(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(store.commit(UnitOfWork::default())?.sequence, 0);
    let receipt = store.commit(UnitOfWork::of_events(vec![note(1)]))?;
    assert_eq!(store.commit(UnitOfWork::default())?, receipt);
    Ok(())
}
