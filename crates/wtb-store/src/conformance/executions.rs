//! Executions are listed in their order, filtered by plain text, and paged.

use wtb_model::{AttemptStatus, ExecutionId, ExecutionRecord, ExecutionStatus};

use super::sample::{
    Batch, HOSTILE, execution, execution_id, failure, finish, moment, outcome, requeue, score,
    session_id, start, succeed, unit,
};
use super::{Place, checks};
use crate::{Change, ExecutionFilter, Page, Store, StoreError};

checks!("executions":
    single_executions_are_listed_newest_first,
    cells_are_listed_by_variant_case_and_repeat,
    executions_are_filtered_by_plain_text,
    executions_are_filtered_by_status,
    dead_letters_and_the_unsettled_are_found,
    a_cancelled_execution_awaits_no_scores,
);

fn list(store: &dyn Store, filter: &ExecutionFilter) -> Result<Vec<ExecutionId>, StoreError> {
    let found = store.executions(filter, Page::ALL)?;
    Ok(found.into_iter().map(|execution| execution.id).collect())
}

fn create(execution: ExecutionRecord) -> Change {
    Change::CreateExecution(Box::new(execution))
}

fn single_executions_are_listed_newest_first(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    store.commit(unit([Batch::new(1, &session_id(1), (1, 2, 1)).create()]))?;
    for number in [3_u32, 1, 2] {
        let at = moment(-i64::from(number));
        let single = ExecutionRecord { created_at: at, ..execution(u64::from(number)) };
        store.commit(unit([create(single)]))?;
    }
    let single = ExecutionFilter { single: true, ..ExecutionFilter::default() };
    assert_eq!(list(store.as_ref(), &single)?, [2, 1, 3].map(execution_id));
    assert_eq!(list(store.as_ref(), &ExecutionFilter::default())?.len(), 5);
    let page = store.executions(&single, Page { offset: 1, limit: 1 })?;
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].id, execution_id(1));
    Ok(())
}

fn cells_are_listed_by_variant_case_and_repeat(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let mut batch = Batch::new(1, &session_id(1), (3, 4, 2));
    let in_order: Vec<_> = batch.ids().cloned().collect();
    batch.executions.reverse();
    let other = Batch::new(2, &session_id(1), (3, 4, 2));
    store.commit(unit([other.create(), batch.create()]))?;
    let filter = ExecutionFilter { batch: Some(batch.record.id), ..ExecutionFilter::default() };
    assert_eq!(list(store.as_ref(), &filter)?, in_order);
    let page = store.executions(&filter, Page { offset: 20, limit: 10 })?;
    let ids: Vec<_> = page.into_iter().map(|execution| execution.id).collect();
    assert_eq!(ids, in_order[20..]);
    let missing = super::sample::batch_id(404);
    let filter = ExecutionFilter { batch: Some(missing), ..ExecutionFilter::default() };
    assert!(list(store.as_ref(), &filter)?.is_empty());
    Ok(())
}

fn executions_are_filtered_by_plain_text(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for (number, &text) in (0..).zip(HOSTILE) {
        let hostile = ExecutionRecord {
            workflow: format!("w{text}"),
            variant: format!("v{text}"),
            case_id: format!("c{text}"),
            warnings: vec![text.to_owned()],
            ..execution(number)
        };
        store.commit(unit([create(hostile.clone())]))?;
        assert_eq!(store.execution(&hostile.id)?, hostile);
    }
    for (number, &text) in (0..).zip(HOSTILE) {
        let none = ExecutionFilter::default();
        for filter in [
            ExecutionFilter { workflow: Some(format!("w{text}")), ..none.clone() },
            ExecutionFilter { variant: Some(format!("v{text}")), ..none.clone() },
            ExecutionFilter { case_id: Some(format!("c{text}")), ..none.clone() },
            ExecutionFilter {
                single: true,
                workflow: Some(format!("w{text}")),
                variant: Some(format!("v{text}")),
                case_id: Some(format!("c{text}")),
                statuses: vec![ExecutionStatus::Queued],
                ..none
            },
        ] {
            assert_eq!(list(store.as_ref(), &filter)?, [execution_id(number)], "{filter:?}");
        }
    }
    Ok(())
}

fn executions_are_filtered_by_status(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 8, 1));
    store.commit(unit([batch.create()]))?;
    let ends = [
        (AttemptStatus::Succeeded, ExecutionStatus::Succeeded),
        (AttemptStatus::Failed, ExecutionStatus::Failed),
        (AttemptStatus::TimedOut, ExecutionStatus::TimedOut),
        (AttemptStatus::Cancelled, ExecutionStatus::Cancelled),
        (AttemptStatus::Interrupted, ExecutionStatus::Interrupted),
        (AttemptStatus::Paused, ExecutionStatus::Paused),
    ];
    let ids: Vec<_> = batch.ids().cloned().collect();
    store.commit(unit([start(&ids[1], 1, 1)]))?;
    for (id, end) in ids[2..].iter().zip(ends) {
        store.commit(unit([start(id, 1, 1), finish(id, (1, 1), end, outcome(0))]))?;
    }
    // The states of the eight executions are those of `ALL`, in that order.
    for mask in 0..1_usize << ids.len() {
        let chosen = |index: &usize| mask & (1 << index) != 0;
        let statuses: Vec<_> =
            (0..ids.len()).filter(chosen).map(|index| ExecutionStatus::ALL[index]).collect();
        let mut expected: Vec<_> =
            (0..ids.len()).filter(chosen).map(|index| ids[index].clone()).collect();
        if statuses.is_empty() {
            expected.clone_from(&ids);
        }
        let filter = ExecutionFilter {
            batch: Some(batch.record.id.clone()),
            statuses,
            ..ExecutionFilter::default()
        };
        assert_eq!(list(store.as_ref(), &filter)?, expected, "{:?}", filter.statuses);
    }
    Ok(())
}

fn dead_letters_and_the_unsettled_are_found(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 4, 1));
    let ids: Vec<_> = batch.ids().cloned().collect();
    let failed = (AttemptStatus::Failed, ExecutionStatus::Failed);
    let single = execution(1);
    store.commit(unit([
        batch.create(),
        create(single.clone()),
        start(&ids[0], 1, 1),
        start(&ids[1], 1, 1),
        start(&ids[2], 1, 1),
        start(&single.id, 1, 1),
        succeed(&ids[0]),
        finish(&ids[1], (1, 1), failed, failure("no")),
        finish(&single.id, (1, 1), failed, failure("no")),
    ]))?;
    let of_batch = Some(batch.record.id.clone());
    let dead = ExecutionFilter { dead_letter: true, ..ExecutionFilter::default() };
    let unsettled = ExecutionFilter { unsettled: true, ..ExecutionFilter::default() };
    let in_batch =
        |filter: &ExecutionFilter| ExecutionFilter { batch: of_batch.clone(), ..filter.clone() };
    assert_eq!(list(store.as_ref(), &dead)?, [single.id.clone(), ids[1].clone()]);
    assert_eq!(list(store.as_ref(), &in_batch(&dead))?, ids[1..2]);
    assert_eq!(list(store.as_ref(), &unsettled)?.len(), 3);
    assert_eq!(list(store.as_ref(), &in_batch(&unsettled))?, ids[0..2]);

    store.commit(unit([
        Change::PutScores { execution: ids[0].clone(), scores: vec![score("judge", "q", 1.0)] },
        Change::PutScores { execution: single.id, scores: Vec::new() },
        requeue(&ids[1]),
    ]))?;
    assert!(list(store.as_ref(), &unsettled)?.is_empty());
    assert!(list(store.as_ref(), &in_batch(&dead))?.is_empty());
    Ok(())
}

fn a_cancelled_execution_awaits_no_scores(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    store.commit(unit([
        create(single.clone()),
        Change::FinishExecution {
            execution: single.id.clone(),
            status: ExecutionStatus::Cancelled,
            at: moment(3),
        },
    ]))?;
    let found = store.execution(&single.id)?;
    assert_eq!(found.status, ExecutionStatus::Cancelled);
    assert_eq!((found.finished_at, found.settled), (Some(moment(3)), true));
    Ok(())
}
