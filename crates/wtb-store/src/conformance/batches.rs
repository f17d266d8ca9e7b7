//! Batches come back as they were written and live as they may; their counts are right.

use wtb_model::{BatchStatus, ExecutionStatus, StatusCounts};

use super::sample::{
    Batch, HOSTILE, batch_id, case, execution, moment, requeue, session_id, spec, start, succeed,
    unit, variant,
};
use super::{Place, checks, refusal};
use crate::{BatchFilter, Change, ExecutionFilter, Page, Store, StoreError};

checks!("batches":
    a_batch_comes_back_whole,
    an_extended_batch_keeps_its_order,
    what_is_asked_of_a_batch_can_change,
    counts_follow_every_step,
    the_life_of_a_batch_is_checked_and_timed,
    what_is_not_there_is_named,
);

fn a_batch_comes_back_whole(place: &dyn Place) -> Result<(), StoreError> {
    let mut batch = Batch::new(1, &session_id(1), (2, 3, 2));
    batch.record.started_at = Some(moment(1));
    batch.variants[1].name = HOSTILE[1].into();
    batch.cases[2].id = HOSTILE[5].into();
    batch.cases[1].tags = HOSTILE.iter().map(|&text| text.to_owned()).collect();
    let bare = Batch {
        record: wtb_model::BatchRecord {
            name: None,
            reference: None,
            session: None,
            ..Batch::new(2, &session_id(1), (0, 0, 0)).record
        },
        ..Batch::new(2, &session_id(1), (0, 0, 0))
    };
    place.open()?.commit(unit([batch.create(), bare.create()]))?;

    let store = place.open()?;
    let found = store.batch(&batch.record.id)?;
    assert_eq!(found.batch, batch.record);
    assert_eq!(found.counts, StatusCounts { queued: 12, ..StatusCounts::default() });
    assert_eq!(store.variants(&batch.record.id)?, batch.variants);
    assert_eq!(store.cases(&batch.record.id)?, batch.cases);
    assert_eq!(of_batch(store.as_ref(), &batch)?, batch.executions);
    let found = store.batch(&bare.record.id)?;
    assert_eq!((found.batch, found.counts), (bare.record, StatusCounts::default()));
    Ok(())
}

fn of_batch(
    store: &dyn Store,
    batch: &Batch,
) -> Result<Vec<wtb_model::ExecutionRecord>, StoreError> {
    let filter =
        ExecutionFilter { batch: Some(batch.record.id.clone()), ..ExecutionFilter::default() };
    store.executions(&filter, Page::ALL)
}

fn an_extended_batch_keeps_its_order(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let small = Batch::new(1, &session_id(1), (2, 2, 1));
    let large = Batch::new(1, &session_id(1), (3, 4, 2));
    store.commit(unit([small.create()]))?;
    let known = small.executions.len() as u64;
    let added = large
        .executions
        .iter()
        .filter(|cell| cell.variant_index >= 2 || cell.case_index >= 2 || cell.repeat >= 1);
    let executions = added
        .zip(1_000_000 + known..)
        .map(|(cell, number)| wtb_model::ExecutionRecord {
            id: super::sample::execution_id(number),
            ..cell.clone()
        })
        .collect();
    store.commit(unit([Change::ExtendBatch {
        batch: small.record.id.clone(),
        spec: Box::new(large.record.spec.clone()),
        variants: vec![variant(2)],
        cases: vec![case(2), case(3)],
        executions,
    }]))?;

    let found = store.batch(&small.record.id)?;
    assert_eq!(found.batch.spec, large.record.spec);
    assert_eq!(found.counts.queued, 24);
    assert_eq!(store.variants(&small.record.id)?, large.variants);
    assert_eq!(store.cases(&small.record.id)?, large.cases);
    let place_of =
        |cell: &wtb_model::ExecutionRecord| (cell.variant_index, cell.case_index, cell.repeat);
    let found: Vec<_> = of_batch(store.as_ref(), &small)?.iter().map(place_of).collect();
    assert_eq!(found, large.executions.iter().map(place_of).collect::<Vec<_>>());
    Ok(())
}

fn what_is_asked_of_a_batch_can_change(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create()]))?;
    let changed = wtb_model::BatchSpec { metric: None, evaluators: Vec::new(), ..spec() };
    store.commit(unit([Change::SetBatchSpec {
        batch: batch.record.id.clone(),
        spec: Box::new(changed.clone()),
    }]))?;
    assert_eq!(store.batch(&batch.record.id)?.batch.spec, changed);
    Ok(())
}

fn counts_follow_every_step(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 5, 1));
    let other = Batch::new(2, &session_id(1), (1, 5, 1));
    store.commit(unit([batch.create(), other.create()]))?;
    let ids: Vec<_> = batch.ids().collect();
    let cancel = Change::FinishExecution {
        execution: ids[3].clone(),
        status: ExecutionStatus::Cancelled,
        at: moment(9),
    };
    store.commit(unit([start(ids[0], 1, 1), start(ids[1], 1, 1), start(ids[2], 1, 1)]))?;
    store.commit(unit([succeed(ids[0]), succeed(ids[1]), cancel]))?;
    store.commit(unit([requeue(ids[1])]))?;

    let mut late = execution(77);
    late.batch = Some(batch.record.id.clone());
    late.case_index = 99;
    store.commit(unit([Change::CreateExecution(Box::new(late))]))?;
    let expected =
        StatusCounts { queued: 3, running: 1, succeeded: 1, cancelled: 1, ..Default::default() };
    assert_eq!(store.batch(&batch.record.id)?.counts, expected);
    let listed = store.batches(&BatchFilter::default(), Page::ALL)?;
    let counts: Vec<_> = listed.into_iter().map(|summary| summary.counts).collect();
    assert_eq!(counts, [StatusCounts { queued: 5, ..Default::default() }, expected]);
    Ok(())
}

fn the_life_of_a_batch_is_checked_and_timed(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let owner = session_id(1);
    let batch = Batch::new(1, &owner, (1, 1, 1));
    let id = &batch.record.id;
    store.commit(unit([batch.create()]))?;
    let set = |status, at| {
        let (batch, session) = (id.clone(), owner.clone());
        store.commit(unit([Change::SetBatchStatus { batch, session, status, at: moment(at) }]))
    };
    let error = refusal(set(BatchStatus::Completed, 1));
    assert!(matches!(error, StoreError::Illegal(_)), "{error}");
    assert!(error.to_string().contains(id.as_str()), "{error}");

    set(BatchStatus::Running, 2)?;
    set(BatchStatus::Paused, 3)?;
    set(BatchStatus::Running, 4)?;
    let record = store.batch(id)?.batch;
    assert_eq!((record.started_at, record.finished_at), (Some(moment(2)), None));
    set(BatchStatus::CompletedWithErrors, 5)?;
    set(BatchStatus::Running, 6)?;
    set(BatchStatus::Completed, 7)?;
    let record = store.batch(id)?.batch;
    assert_eq!(record.status, BatchStatus::Completed);
    assert_eq!((record.started_at, record.finished_at), (Some(moment(2)), Some(moment(7))));
    Ok(())
}

fn what_is_not_there_is_named(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let missing = batch_id(404);
    let errors = [
        store.batch(&missing).err(),
        store.variants(&missing).err(),
        store.cases(&missing).err(),
        store.scores(&missing).err(),
        store.detail(&super::sample::execution_id(404)).err(),
        store.execution(&super::sample::execution_id(404)).err(),
        store.session(&session_id(404)).err(),
        store
            .commit(unit([Change::SetBatchSpec { batch: missing.clone(), spec: Box::new(spec()) }]))
            .err(),
        store.commit(unit([start(&super::sample::execution_id(404), 1, 1)])).err(),
        store.commit(unit([Change::Heartbeat { session: session_id(404), at: moment(0) }])).err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        assert!(matches!(error, Some(StoreError::NotFound { .. })), "{index}: {error:?}");
    }
    Ok(())
}
