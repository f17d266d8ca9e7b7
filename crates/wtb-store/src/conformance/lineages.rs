//! Where executions stand in their history: placed, continued, and begun at a head.

use serde_json::json;
use wtb_model::{AttemptStatus, ExecutionId, ExecutionRecord, ExecutionStatus, ScoreRecord};

use super::checkpoints::{ROOT, checkpoint, name, put, put_chain, value as bytes};
use super::sample::{
    Batch, batch_id, continuation, execution, execution_id, failure, finish, moment, noise,
    outcome, place, requeue, score, session_id, start, succeed, unit, value,
};
use super::{Place, checks, refusal};
use crate::{Change, StoreError};

checks!("lineages":
    where_an_execution_stands_comes_back,
    an_origin_has_to_be_there,
    a_start_says_how_many_lineages_there_are,
    what_has_ended_is_placed,
    only_what_has_ended_is_placed,
    a_placed_cell_is_counted,
    what_was_decided_about_another_head_is_refused,
    a_head_is_expected_of_what_is_there,
    what_was_decided_about_another_state_is_refused,
    answers_keep_their_object,
);

fn create(execution: ExecutionRecord) -> Change {
    Change::CreateExecution(Box::new(execution))
}

fn where_an_execution_stands_comes_back(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create()]))?;
    let forked = |number, status| ExecutionRecord {
        parent: Some(execution_id(404).continuation()),
        origin: Some(batch_id(1)),
        status,
        attempts: 3,
        token: 7,
        lineages: 4,
        from_head: true,
        settled: true,
        started_at: Some(moment(1)),
        finished_at: Some(moment(2)),
        interrupts: Some(value("which one?")),
        front: Some(json!({"case": {"odd": "\0'\"☃", "none": null}, "numbers": [1, 2.5]})),
        ..execution(number)
    };
    let written = [
        forked(1, ExecutionStatus::Paused),
        forked(2, ExecutionStatus::Interrupted),
        ExecutionRecord {
            parent: None,
            front: Some(json!(null)),
            ..forked(3, ExecutionStatus::Failed)
        },
        ExecutionRecord { origin: None, lineages: u32::MAX, front: None, ..execution(4) },
    ];
    store.commit(unit(written.iter().cloned().map(create)))?;
    drop(store);
    let store = place.open()?;
    for one in &written {
        assert_eq!(&store.execution(&one.id)?, one);
    }
    let counts = store.batch(&batch_id(1))?.counts;
    assert_eq!(counts.total(), 1, "who has a batch as its origin is none of its cells");
    Ok(())
}

fn an_origin_has_to_be_there(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let forked = ExecutionRecord { origin: Some(batch_id(1)), ..execution(1) };
    let error = refusal(store.commit(unit([create(forked.clone())])));
    assert!(matches!(error, StoreError::NotFound { what: "batch", .. }), "{error}");
    assert!(store.execution(&forked.id).is_err());
    let batch = Batch::new(1, &session_id(1), (0, 0, 0));
    store.commit(unit([batch.create(), create(forked.clone())]))?;
    assert_eq!(store.execution(&forked.id)?, forked);
    Ok(())
}

fn a_start_says_how_many_lineages_there_are(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let begin = |attempt: u32, lineages: u32| match start(id, attempt, attempt.into()) {
        Change::StartAttempt(start) => {
            Change::StartAttempt(crate::AttemptStart { lineages, ..start })
        }
        other => other,
    };
    let stands = || store.execution(id).map(|found| (found.lineages, found.from_head));
    let retried = (AttemptStatus::Failed, ExecutionStatus::Queued);
    store.commit(unit([create(single.clone()), begin(1, 1)]))?;
    store.commit(unit([finish(id, (1, 1), retried, failure("no")), begin(2, 2)]))?;
    assert_eq!(stands()?, (2, false));
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    store.commit(unit([finish(id, (2, 2), ends, failure("no"))]))?;
    let from_head = Change::RequeueExecution { execution: id.clone(), from_head: true };
    store.commit(unit([from_head]))?;
    assert_eq!(stands()?, (2, true));
    store.commit(unit([begin(3, 2), finish(id, (3, 3), ends, failure("no"))]))?;
    assert_eq!(stands()?, (2, true));
    store.commit(unit([requeue(id)]))?;
    assert_eq!(stands()?, (2, false));
    assert_eq!(store.execution(id)?.thread(), Some(id.thread(2)));
    Ok(())
}

/// An execution that ended with everything that an end can bring, and was scored.
fn ended(number: u64, status: ExecutionStatus) -> Vec<Change> {
    let single = execution(number);
    let id = single.id.clone();
    let delivered = wtb_model::AttemptOutcome {
        state: Some(value("the whole state")),
        interrupts: Some(value("which one?")),
        error: Some(super::sample::error("no")),
        metrics: vec![score(ScoreRecord::WORKFLOW, "loss", 0.25)],
        warnings: vec!["a warning".to_owned()],
        ..outcome(2)
    };
    let (start, judged) = (start(&id, 1, 5), vec![score("judge", "quality", 1.0)]);
    let ends = (AttemptStatus::Failed, status);
    let finish = finish(&id, (1, 5), ends, delivered);
    vec![create(single), start, finish, Change::PutScores { execution: id, scores: judged }]
}

fn what_has_ended_is_placed(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let finals = ExecutionStatus::ALL.iter().filter(|status| status.is_final());
    for (number, status) in (0..).zip(finals) {
        let id = execution_id(number);
        let placed = ExecutionRecord {
            status: ExecutionStatus::Paused,
            attempts: 1,
            token: 5,
            lineages: 9,
            from_head: true,
            settled: true,
            started_at: Some(moment(100)),
            finished_at: Some(moment(999)),
            ..execution(number)
        };
        // Apart and in one unit.
        store.commit(unit(ended(number, *status)))?;
        store.commit(unit([place(&id, 9)]))?;
        assert_eq!(store.execution(&id)?, placed, "{status}");
        let detail = store.detail(&id)?;
        assert_eq!((detail.attempts.len(), detail.nodes.len()), (1, 2));
        assert!(detail.scores.is_empty(), "{:?}", detail.scores);
        let together = ended(number + 100, *status).into_iter();
        let id = execution_id(number + 100);
        store.commit(unit(together.chain([place(&id, 9)])))?;
        let placed = ExecutionRecord { id: id.clone(), ..placed };
        assert_eq!(store.execution(&id)?, placed, "{status}");
        // It stands where it was placed, and goes on from there.
        let from_head = Change::RequeueExecution { execution: id.clone(), from_head: true };
        let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
        store.commit(unit([place(&id, 10), from_head, start(&id, 2, 6)]))?;
        store.commit(unit([finish(&id, (2, 6), ends, outcome(0))]))?;
        let found = store.execution(&id)?;
        assert_eq!((found.output, found.finished_at), (outcome(0).output, Some(moment(250))));
    }
    Ok(())
}

fn only_what_has_ended_is_placed(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let single = execution(1);
    let id = &single.id;
    let illegal = || {
        let error = refusal(store.commit(unit([place(id, 2)])));
        assert!(matches!(error, StoreError::Illegal(_)), "{error}");
        assert!(error.to_string().contains(id.as_str()), "{error}");
    };
    let error = refusal(store.commit(unit([place(id, 2)])));
    assert!(matches!(error, StoreError::NotFound { what: "execution", .. }), "{error}");
    store.commit(unit([create(single.clone())]))?;
    illegal();
    store.commit(unit([start(id, 1, 1)]))?;
    illegal();
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Running);
    store.commit(unit([succeed(id), place(id, 2)]))?;
    Ok(())
}

fn expect(execution: &ExecutionId, lineages: u32, checkpoint: Option<&str>) -> Change {
    let checkpoint = checkpoint.map(str::to_owned);
    Change::ExpectHead { execution: execution.clone(), lineages, checkpoint }
}

fn what_was_decided_about_another_head_is_refused(
    place_of_stores: &dyn Place,
) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let id = &execution_id(1);
    put_chain(store.as_ref(), &id.thread(1), 3)?;
    put_chain(store.as_ref(), &id.thread(2), 2)?;
    // What another namespace has, and another thread, is not this head.
    store.commit(put(checkpoint(name(&id.thread(2), "child", "9"), None, b"1")))?;
    store.commit(put(checkpoint(name("t", ROOT, "8"), None, b"1")))?;
    let moved = |changes: Vec<Change>| {
        let error = refusal(store.commit(unit(changes)));
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("execution {id} has moved on")), "{text}");
    };
    moved(vec![expect(id, 0, None)]);
    store.commit(unit(ended(1, ExecutionStatus::Failed)))?;
    store.commit(unit([place(id, 2)]))?;
    let before = store.execution(id)?;
    for (lineages, checkpoint) in
        [(1, None), (3, None), (1, Some("3")), (2, Some("1")), (2, Some("9")), (2, Some("8"))]
    {
        moved(vec![expect(id, lineages, checkpoint), place(id, 7)]);
        moved(vec![place(id, 7), expect(id, lineages, checkpoint)]);
    }
    assert_eq!(store.execution(id)?, before, "nothing is left of a refused unit");
    let copy = |checkpoint: Option<&str>| Change::CopyThread {
        source: id.thread(1),
        target: id.thread(3),
        up_to: checkpoint.map(str::to_owned),
    };
    store.commit(unit([expect(id, 2, Some("2")), place(id, 3), copy(Some("2"))]))?;
    moved(vec![expect(id, 2, None), place(id, 3), copy(None)]);
    store.commit(unit([expect(id, 3, None), expect(id, 3, Some("2"))]))?;
    assert_eq!(store.outline(&id.thread(3))?.len(), 2, "the other one was refused");
    Ok(())
}

fn a_head_is_expected_of_what_is_there(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit(ended(1, ExecutionStatus::Failed)))?;
    let lineages = store.execution(id)?.lineages;
    store.commit(unit([expect(id, lineages, None)]))?;
    // A cell and what it goes on to by itself share their threads, but are not one execution.
    let continued = continuation(&store.execution(id)?);
    put_chain(store.as_ref(), &id.thread(continued.lineages), 1)?;
    let of_continued = expect(&continued.id, continued.lineages, Some("1"));
    let error = refusal(store.commit(unit([of_continued.clone()])));
    assert!(matches!(error, StoreError::Moved { .. }), "{error}");
    assert!(!error.to_string().contains('+'), "{error}");
    store.commit(unit([create(continued.clone()), expect(id, lineages, None), of_continued]))?;
    assert_eq!(store.execution(&continued.id)?, continued);
    Ok(())
}

fn what_was_decided_about_another_state_is_refused(
    place_of_stores: &dyn Place,
) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let single = execution(1);
    let id = &single.id;
    let expect = |found: &ExecutionRecord| Change::ExpectState {
        execution: id.clone(),
        status: found.status,
        token: found.token,
        finished_at: found.finished_at,
    };
    let cancel = |at| Change::FinishExecution {
        execution: id.clone(),
        status: ExecutionStatus::Cancelled,
        at: moment(at),
    };
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    let again = (AttemptStatus::Failed, ExecutionStatus::Queued);
    let steps = [
        vec![create(single.clone())],
        // As it was before, but somebody else has taken it up in between.
        vec![cancel(700), requeue(id)],
        vec![cancel(701), requeue(id)],
        vec![start(id, 1, 4)],
        vec![finish(id, (1, 4), again, failure("no")), start(id, 2, 5)],
        vec![finish(id, (2, 5), ends, failure("no"))],
        vec![place(id, 2)],
        vec![requeue(id)],
    ];
    let moved = |found: &ExecutionRecord| {
        let error = refusal(store.commit(unit([expect(found)])));
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
    };
    moved(&single);
    let mut seen: Vec<ExecutionRecord> = Vec::new();
    for step in steps {
        store.commit(unit(step))?;
        let now = store.execution(id)?;
        store.commit(unit([expect(&now)]))?;
        seen.iter().for_each(&moved);
        seen.push(now);
    }
    Ok(())
}

fn a_placed_cell_is_counted(place_of_stores: &dyn Place) -> Result<(), StoreError> {
    let store = place_of_stores.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 3, 1));
    let ids: Vec<_> = batch.ids().collect();
    store.commit(unit([batch.create(), start(ids[0], 1, 1), start(ids[1], 1, 1)]))?;
    store.commit(unit([succeed(ids[0]), succeed(ids[1]), place(ids[1], 2)]))?;
    store.commit(unit([place(ids[1], 3)]))?;
    let counts = store.batch(&batch.record.id)?.counts;
    assert_eq!((counts.queued, counts.succeeded, counts.paused), (1, 1, 1));
    assert_eq!(counts.total(), 3);
    Ok(())
}

fn answers_keep_their_object(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    // An object that came with a checkpoint, so that nothing but what names it keeps it.
    let content = noise(3, 9_000);
    let given = checkpoint(name("t", ROOT, "1"), None, &content);
    let stored = given.channels[0].value.as_ref().map(|value| value.stored.clone());
    let mut batch = Batch::new(1, &session_id(1), (1, 1, 1));
    batch.cases[0].answers.clone_from(&stored);
    store.commit(put(given))?;
    store.commit(unit([batch.create(), Change::DeleteThread { thread: "t".into() }]))?;
    store.collect()?;
    assert_eq!(store.cases(&batch.record.id)?, batch.cases);
    let answers = stored.map(|stored| place.open()?.value(&stored)).transpose()?;
    assert_eq!(answers, Some(bytes(&content)));
    Ok(())
}
