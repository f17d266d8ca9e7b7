//! Cells that go on by themselves, beside the results that their batches keep.

use wtb_model::{
    AttemptOutcome, AttemptStatus, ExecutionId, ExecutionRecord, ExecutionStatus, ScoreRecord,
};

use super::checkpoints::{ROOT, checkpoint, name, writes};
use super::sample::{
    Batch, continuation, execution, failure, finish, node, outcome, place, requeue, score,
    session_id, start, succeed, unit,
};
use super::{Place, checks, refusal};
use crate::{Change, ExecutionFilter, Lease, Page, Store, StoreError};

checks!("continuations":
    a_batch_sees_nothing_of_them,
    their_detail_begins_with_that_of_the_cell,
    they_are_listed_in_place_of_their_cells,
    they_are_never_dead_letters,
    a_requeued_cell_replaces_them,
    they_are_replaced_within_one_unit,
    a_cell_waits_for_them,
    only_an_ended_cell_goes_on,
    a_cell_goes_on_once,
    errors_name_them_as_people_know_them,
    they_have_leases_of_their_own,
);

const SUCCEEDED: (AttemptStatus, ExecutionStatus) =
    (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);

/// A batch of one cell, which has ended and was scored.
fn ended_cell(store: &dyn Store) -> Result<(Batch, ExecutionRecord), StoreError> {
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let id = &batch.executions[0].id;
    let scores = vec![score("judge", "quality", 1.0)];
    store.commit(unit([
        batch.create(),
        start(id, 1, 4),
        finish(id, (1, 4), SUCCEEDED, outcome(2)),
        Change::PutScores { execution: id.clone(), scores },
    ]))?;
    let cell = store.execution(id)?;
    Ok((batch, cell))
}

fn create(execution: ExecutionRecord) -> Change {
    Change::CreateExecution(Box::new(execution))
}

/// The second attempt of a cell that goes on by itself, under token 9.
fn second_attempt(of: &ExecutionId) -> [Change; 3] {
    let delivered = AttemptOutcome {
        nodes: vec![node(2, 0)],
        metrics: vec![score(ScoreRecord::WORKFLOW, "loss", 2.0)],
        ..outcome(0)
    };
    [requeue(of), start(of, 2, 9), finish(of, (2, 9), SUCCEEDED, delivered)]
}

fn a_batch_sees_nothing_of_them(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let (batch, cell) = ended_cell(store.as_ref())?;
    let of_batch =
        ExecutionFilter { batch: Some(batch.record.id.clone()), ..ExecutionFilter::default() };
    let seen = || {
        let found = store.batch(&batch.record.id)?;
        let listed = store.executions(&of_batch, Page::ALL)?;
        Ok::<_, StoreError>((found, listed, store.scores(&batch.record.id)?))
    };
    let before = seen()?;
    let continued = continuation(&cell);
    store.commit(unit([create(continued.clone())]))?;
    assert_eq!(store.execution(&continued.id)?, continued);
    store.commit(unit(second_attempt(&continued.id)))?;
    store.commit(unit([place(&continued.id, 5)]))?;
    assert_eq!(seen()?, before);
    assert_eq!(store.execution(&cell.id)?, cell, "an id names its own row");
    let found = store.execution(&continued.id)?;
    assert_eq!((found.lineages, found.attempts, found.token), (5, 2, 9));
    assert_eq!((found.batch, found.origin), (None, cell.batch));
    Ok(())
}

fn their_detail_begins_with_that_of_the_cell(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (_, cell) = ended_cell(store.as_ref())?;
    let of_cell = store.detail(&cell.id)?;
    let continued = continuation(&cell);
    let id = &continued.id;
    assert!(matches!(store.detail(id), Err(StoreError::NotFound { .. })));
    store.commit(unit([create(continued.clone())]))?;
    let inherited = store.detail(id)?;
    assert_eq!(inherited.attempts, of_cell.attempts);
    assert_eq!((inherited.nodes, inherited.scores), (of_cell.nodes.clone(), Vec::new()));
    store.commit(unit(second_attempt(id)))?;
    let found = store.detail(id)?;
    let numbers: Vec<_> = found.attempts.iter().map(|one| (one.number, one.token)).collect();
    assert_eq!(numbers, [(1, 4), (2, 9)]);
    let nodes: Vec<_> = of_cell.nodes.iter().cloned().chain([node(2, 0)]).collect();
    assert_eq!(found.nodes, nodes);
    assert_eq!(found.scores, [score(ScoreRecord::WORKFLOW, "loss", 2.0)]);
    assert_eq!(store.detail(&cell.id)?, of_cell);
    Ok(())
}

fn they_are_listed_in_place_of_their_cells(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (batch, cell) = ended_cell(store.as_ref())?;
    let other = execution(2);
    store.commit(unit([create(other.clone())]))?;
    let listed = |filter: ExecutionFilter| -> Result<Vec<_>, StoreError> {
        let found = store.executions(&filter, Page::ALL)?;
        Ok(found.into_iter().map(|one| one.id.as_str().to_owned()).collect())
    };
    let with = |status| ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
    let [of_cell, of_other] = [&cell.id, &other.id].map(|id| id.as_str().to_owned());
    assert_eq!(listed(ExecutionFilter::default())?, [of_other.clone(), of_cell.clone()]);
    let continued = continuation(&cell);
    let of_continued = continued.id.as_str().to_owned();
    store.commit(unit([create(continued.clone())]))?;
    assert_eq!(listed(ExecutionFilter::default())?, [of_continued.clone(), of_other.clone()]);
    assert_eq!(listed(with(cell.status))?, Vec::<String>::new());
    assert_eq!(listed(with(continued.status))?, std::slice::from_ref(&of_continued));
    let single = ExecutionFilter { single: true, ..ExecutionFilter::default() };
    assert_eq!(listed(single)?, [of_continued, of_other]);
    let batch = Some(batch.record.id);
    assert_eq!(listed(ExecutionFilter { batch, ..ExecutionFilter::default() })?, [of_cell]);
    Ok(())
}

fn they_are_never_dead_letters(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let id = &batch.executions[0].id;
    let dead = |change| match change {
        Change::FinishAttempt {
            execution,
            attempt,
            token,
            status,
            next,
            outcome,
            settled,
            handed_ahead: false,
            at,
            ..
        } => {
            let dead_letter = true;
            Change::FinishAttempt {
                execution,
                attempt,
                token,
                status,
                next,
                dead_letter,
                outcome,
                settled,
                handed_ahead: false,
                at,
            }
        }
        other => other,
    };
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    let ended = dead(finish(id, (1, 4), ends, failure("no")));
    store.commit(unit([batch.create(), start(id, 1, 4), ended]))?;
    let filter = ExecutionFilter { dead_letter: true, ..ExecutionFilter::default() };
    let letters = || Ok::<_, StoreError>(store.executions(&filter, Page::ALL)?.len());
    assert_eq!(letters()?, 1);
    let continued = continuation(&store.execution(id)?);
    let of = &continued.id;
    let ended = dead(finish(of, (2, 9), ends, failure("no")));
    store.commit(unit([create(continued.clone()), requeue(of), start(of, 2, 9), ended]))?;
    assert!(!store.execution(of)?.dead_letter && store.execution(id)?.dead_letter);
    assert_eq!(letters()?, 0);
    let of_batch = ExecutionFilter { batch: Some(batch.record.id), ..filter.clone() };
    assert_eq!(store.executions(&of_batch, Page::ALL)?.len(), 1, "its batch keeps its result");
    Ok(())
}

fn a_requeued_cell_replaces_them(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let (batch, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    store.commit(unit([create(continued.clone())]))?;
    store.commit(unit(second_attempt(&continued.id)))?;
    store.commit(unit([place(&continued.id, 5)]))?;
    let scores = vec![score("judge", "quality", 0.0)];
    store.commit(unit([Change::PutScores { execution: continued.id.clone(), scores }]))?;
    store.commit(unit([requeue(&cell.id)]))?;

    let expected = ExecutionRecord {
        status: ExecutionStatus::Queued,
        settled: false,
        lineages: 5,
        attempts: 2,
        token: 9,
        ..cell.clone()
    };
    assert_eq!(store.execution(&cell.id)?, expected, "no number is used twice");
    let gone = store.execution(&continued.id);
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    assert_eq!(store.executions(&ExecutionFilter::default(), Page::ALL)?.len(), 1);
    assert_eq!(store.batch(&batch.record.id)?.counts.queued, 1);
    let detail = store.detail(&cell.id)?;
    assert_eq!((detail.attempts.len(), detail.nodes.len(), detail.scores.len()), (1, 2, 0));
    let fenced = refusal(store.commit(unit([start(&cell.id, 3, 9)])));
    assert!(matches!(fenced, StoreError::Fenced { .. }), "{fenced}");
    store.commit(unit([start(&cell.id, 3, 10)]))?;
    store.commit(unit([finish(&cell.id, (3, 10), SUCCEEDED, outcome(0))]))?;

    // And it goes on again, with nothing left of what was replaced.
    let again = continuation(&store.execution(&cell.id)?);
    store.commit(unit([create(again.clone())]))?;
    assert_eq!(store.execution(&again.id)?, again);
    let detail = store.detail(&again.id)?;
    let numbers: Vec<_> = detail.attempts.iter().map(|one| one.number).collect();
    assert_eq!((numbers, detail.scores.len()), (vec![1, 3], 0));
    Ok(())
}

/// What a store does in memory comes to the same as what it does row by row.
fn they_are_replaced_within_one_unit(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let (batch, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    let id = &continued.id;
    let late = ExecutionRecord { token: 20, attempts: 8, lineages: 8, ..continued.clone() };
    let first = [create(continued.clone())].into_iter().chain(second_attempt(id));
    let requeued = [
        Change::PutScores { execution: id.clone(), scores: vec![score("judge", "q", 0.0)] },
        requeue(&cell.id),
        start(&cell.id, 3, 10),
        finish(&cell.id, (3, 10), SUCCEEDED, outcome(0)),
    ];
    let taken = [create(late.clone()), create(late.clone())];
    refusal(store.commit(unit(first.clone().chain(requeued.clone()).chain(taken))));
    assert_eq!(store.execution(&cell.id)?, cell, "nothing is left of a refused unit");
    store.commit(unit(first.chain(requeued).chain([create(late.clone())])))?;
    assert_eq!(store.execution(id)?, late);
    let detail = store.detail(id)?;
    let numbers: Vec<_> = detail.attempts.iter().map(|one| one.number).collect();
    assert_eq!((numbers, detail.nodes.len(), detail.scores.len()), (vec![1, 3], 2, 0));
    store.commit(unit([requeue(&cell.id)]))?;
    let found = store.execution(&cell.id)?;
    assert_eq!((found.token, found.attempts, found.lineages), (20, 8, 8));
    assert_eq!(store.batch(&batch.record.id)?.counts.total(), 1);
    Ok(())
}

fn a_cell_waits_for_them(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (batch, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    let id = &continued.id;
    let illegal = || {
        let error = refusal(store.commit(unit([requeue(&cell.id)])));
        assert!(matches!(error, StoreError::Illegal(_)), "{error}");
        assert!(error.to_string().contains(cell.id.as_str()), "{error}");
        assert_eq!(store.execution(&cell.id)?, cell);
        Ok::<_, StoreError>(())
    };
    store.commit(unit([create(continued.clone()), requeue(id)]))?;
    illegal()?;
    store.commit(unit([start(id, 2, 9)]))?;
    illegal()?;
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    store.commit(unit([finish(id, (2, 9), ends, failure("no"))]))?;
    assert_eq!(store.batch(&batch.record.id)?.counts.succeeded, 1);
    store.commit(unit([requeue(&cell.id)]))?;
    assert_eq!(store.batch(&batch.record.id)?.counts.queued, 1);
    Ok(())
}

fn only_an_ended_cell_goes_on(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let continued = continuation(&single);
    let refused = || refusal(store.commit(unit([create(continued.clone())])));
    assert!(matches!(refused(), StoreError::NotFound { what: "execution", .. }));
    store.commit(unit([create(single.clone())]))?;
    assert!(matches!(refused(), StoreError::Illegal(_)));
    store.commit(unit([start(&single.id, 1, 1)]))?;
    let error = refused();
    assert!(matches!(error, StoreError::Illegal(_)), "{error}");
    assert!(error.to_string().contains(single.id.as_str()), "{error}");
    store.commit(unit([succeed(&single.id)]))?;
    let error = refused();
    assert!(matches!(error, StoreError::Moved { .. }), "made before its last attempt: {error}");
    assert!(error.to_string().contains(single.id.as_str()), "{error}");
    let continued = continuation(&store.execution(&single.id)?);
    store.commit(unit([create(continued.clone())]))?;
    assert_eq!(store.execution(&continued.id)?, continued);
    Ok(())
}

/// Whoever comes second has to look at it again, together with the first or later.
fn a_cell_goes_on_once(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let (_, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    let goes_on = || store.submit(unit([create(continued.clone()), place(&continued.id, 2)]));
    let both = [goes_on()?, goes_on()?];
    let refused: Vec<_> = both.into_iter().filter_map(|one| one.wait().err()).collect();
    assert!(matches!(refused[..], [StoreError::Moved { .. }]), "{refused:?}");
    let error = refusal(goes_on()?.wait());
    assert!(matches!(error, StoreError::Moved { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("execution {} has moved on", cell.id)), "{text}");
    assert_eq!(store.execution(&continued.id)?.lineages, 2);
    Ok(())
}

fn errors_name_them_as_people_know_them(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let (_, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    let id = &continued.id;
    let check = |error: StoreError| {
        let text = error.to_string();
        assert!(text.contains(cell.id.as_str()) && !text.contains('+'), "{text}");
    };
    let lease = Some(Lease { execution: id.clone(), token: 77 });
    let under_lease = Change::PutCheckpoint {
        checkpoint: Box::new(checkpoint(name("t", ROOT, "1"), None, b"1")),
        lease,
    };
    let running = || start(id, 2, 9);
    let lost = finish(id, (2, 8), SUCCEEDED, outcome(0));
    let scores = Change::PutScores { execution: id.clone(), scores: Vec::new() };
    let refused = [requeue(id), place(id, 5), running(), lost, under_lease];
    let missing = [store.execution(id).err(), store.detail(id).err()];
    missing.into_iter().flatten().for_each(check);
    for change in refused.iter().chain([&scores]) {
        check(refusal(store.commit(unit([change.clone()]))));
    }
    store.commit(unit([create(continued.clone()), requeue(id), running()]))?;
    for change in refused.iter().chain([&create(continued.clone())]) {
        check(refusal(store.commit(unit([change.clone()]))));
    }
    Ok(())
}

fn they_have_leases_of_their_own(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (_, cell) = ended_cell(store.as_ref())?;
    let continued = continuation(&cell);
    let id = &continued.id;
    store.commit(unit([create(continued.clone()), requeue(id), start(id, 2, 9)]))?;
    let thread = cell.id.thread(2);
    let of = || name(&thread, ROOT, "1");
    let under = |execution: &ExecutionId, token| {
        let lease = Some(Lease { execution: execution.clone(), token });
        let checkpoint = Box::new(checkpoint(of(), None, b"1"));
        let writes = Box::new(writes(of(), "task", "", &[(0, "x", "1")]));
        [
            store.commit(unit([Change::PutCheckpoint { checkpoint, lease: lease.clone() }])),
            store.commit(unit([Change::PutWrites { writes, lease }])),
        ]
    };
    for (execution, token) in [(&cell.id, 9), (&cell.id, 4), (id, 4)] {
        for result in under(execution, token) {
            let error = refusal(result);
            assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
        }
    }
    for result in under(id, 9) {
        result?;
    }
    assert_eq!(store.outline(&thread)?.len(), 1);
    Ok(())
}
