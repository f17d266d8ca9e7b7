//! What attempts printed: kept with each, whatever the bytes, and told from nothing having been kept.

use wtb_model::{
    AttemptOutcome, AttemptRecord, AttemptStatus, Captured, ExecutionId, ExecutionStatus,
    StoredValue, Value,
};

use super::checkpoints::{ROOT, checkpoint, name, put};
use super::sample::{execution, failure, finish, noise, outcome, start, unit};
use super::{Place, checks, refusal};
use crate::{Change, Store, StoreError};

checks!("printed":
    what_was_printed_comes_back,
    each_attempt_keeps_its_own,
    an_attempt_that_runs_has_printed_nothing_yet,
    an_object_that_is_not_there_is_refused,
    what_was_printed_keeps_its_object,
);

const SUCCEEDED: (AttemptStatus, ExecutionStatus) =
    (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);

fn whole(bytes: &[u8]) -> Captured {
    Captured { head: bytes.to_vec(), ..Captured::default() }
}

/// What a process may print: nothing, NULs, other scripts, no text at all, a megabyte, and more than
/// is kept of it. Each beside an other stream that was not captured, printed nothing, or the same.
fn everything() -> Vec<[Option<Captured>; 2]> {
    let line = "step \u{1b}[1m\0\u{1a}0 – Zoë ☃\r\n";
    let cut = Captured {
        head: line.repeat(100).into_bytes(),
        tail: noise(2, 2_000),
        omitted_bytes: 12_345_678,
    };
    let all = [
        whole(b""),
        whole(b"\0"),
        whole(line.as_bytes()),
        whole(&noise(1, 700)),
        whole(line.repeat((1 << 20) / line.len()).as_bytes()),
        whole(&vec![0; 1 << 20]),
        cut,
    ];
    let others = [None, Some(whole(b""))];
    all.into_iter()
        .flat_map(|one| {
            let same = Some(one);
            let beside = others
                .iter()
                .flat_map(|other| [[same.clone(), other.clone()], [other.clone(), same.clone()]]);
            beside.chain([[same.clone(), same.clone()]]).collect::<Vec<_>>()
        })
        .collect()
}

fn keep(store: &dyn Store, captured: &Captured) -> Result<Option<StoredValue>, StoreError> {
    store.put_value(Value::from(captured)).map(Some)
}

fn attempts(store: &dyn Store, id: &ExecutionId) -> Result<Vec<AttemptRecord>, StoreError> {
    Ok(store.detail(id)?.attempts)
}

fn what_was_printed_comes_back(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for (number, [stdout, stderr]) in (0..).zip(everything()) {
        let single = execution(number);
        let id = &single.id;
        let keep = |one: Option<Captured>| one.map_or(Ok(None), |one| keep(store.as_ref(), &one));
        let delivered =
            AttemptOutcome { stdout: keep(stdout)?, stderr: keep(stderr)?, ..outcome(1) };
        store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 1)]))?;
        store.commit(unit([finish(id, (1, 1), SUCCEEDED, delivered)]))?;
    }
    drop(store);

    let store = place.open()?;
    let read = |stored: &Option<StoredValue>| {
        let value = stored.as_ref().map(|stored| store.value(stored)).transpose()?;
        Ok::<_, StoreError>(value.as_ref().map(Captured::read))
    };
    for (number, written) in (0..).zip(everything()) {
        let found = attempts(store.as_ref(), &execution(number).id)?;
        assert_eq!(found.len(), 1);
        let texts = written.map(|one| one.map(|one| one.text()));
        // Not `assert_eq`, which would print megabytes.
        assert!([read(&found[0].stdout)?, read(&found[0].stderr)?] == texts, "{number}");
    }
    Ok(())
}

fn each_attempt_keeps_its_own(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let first = AttemptOutcome { stderr: keep(store.as_ref(), &whole(b"one"))?, ..failure("no") };
    let second = AttemptOutcome { stdout: keep(store.as_ref(), &whole(b"two"))?, ..failure("no") };
    let retried = (AttemptStatus::Failed, ExecutionStatus::Queued);
    // Begun and ended in one unit, and apart; one that was not captured comes last.
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 1),
        finish(id, (1, 1), retried, first.clone()),
        start(id, 2, 2),
    ]))?;
    let second = AttemptOutcome { nodes: Vec::new(), ..second };
    store.commit(unit([finish(id, (2, 2), retried, second.clone())]))?;
    let printed = |found: &[AttemptRecord]| -> Vec<_> {
        found.iter().map(|one| (one.stdout.clone(), one.stderr.clone())).collect()
    };
    let both = [(None, first.stderr), (second.stdout, None)];
    let detail = store.detail(id)?;
    assert_eq!(printed(&detail.attempts), both);
    assert_eq!(detail.last_ended().map(|last| last.number), Some(2));
    store.commit(unit([start(id, 3, 3), finish(id, (3, 3), SUCCEEDED, outcome(0))]))?;
    let found = attempts(store.as_ref(), id)?;
    assert_eq!(printed(&found)[..2], both);
    assert_eq!((&found[2].stdout, &found[2].stderr), (&None, &None));
    Ok(())
}

fn an_attempt_that_runs_has_printed_nothing_yet(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone()))]))?;
    assert_eq!(store.detail(id)?.last_ended(), None);
    store.commit(unit([start(id, 1, 1)]))?;
    let detail = store.detail(id)?;
    assert_eq!((&detail.attempts[0].stdout, &detail.attempts[0].stderr), (&None, &None));
    assert_eq!(detail.last_ended(), None);
    Ok(())
}

fn an_object_that_is_not_there_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 1)]))?;
    let missing =
        Some(StoredValue::Object { kind: Captured::KIND.to_owned(), hash: [7; 32], size: 9 });
    for delivered in [
        AttemptOutcome { stdout: missing.clone(), ..outcome(0) },
        AttemptOutcome { stderr: missing, ..outcome(0) },
    ] {
        let error = refusal(store.commit(unit([finish(id, (1, 1), SUCCEEDED, delivered)])));
        assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    }
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Running);
    Ok(())
}

fn what_was_printed_keeps_its_object(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    // Objects that came with checkpoints, so that nothing but what names them keeps them.
    let mut printed = Vec::new();
    for (number, checkpoint_id) in [(1, "1"), (2, "2")] {
        let given = checkpoint(name("t", ROOT, checkpoint_id), None, &noise(number, 9_000));
        printed.push(given.channels[0].value.as_ref().map(|value| value.stored.clone()));
        store.commit(put(given))?;
    }
    let [stdout, stderr] = [printed[0].clone(), printed[1].clone()];
    let delivered = AttemptOutcome { stdout, stderr, ..outcome(0) };
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 1),
        finish(id, (1, 1), SUCCEEDED, delivered),
        Change::DeleteThread { thread: "t".into() },
    ]))?;
    store.collect()?;
    let store = place.open()?;
    let found = attempts(store.as_ref(), id)?;
    for (number, stored) in [(1, &found[0].stdout), (2, &found[0].stderr)] {
        let value = stored.as_ref().map(|stored| store.value(stored)).transpose()?;
        assert_eq!(value.map(|value| value.bytes.to_vec()), Some(noise(number, 9_000)));
    }
    Ok(())
}
