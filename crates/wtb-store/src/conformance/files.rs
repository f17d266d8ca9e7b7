//! Files of attempts: where a workspace is, and the snapshots that belong to checkpoints and attempts.

use wtb_model::{
    AttemptOutcome, AttemptRecord, AttemptStatus, ExecutionId, ExecutionStatus, StoredValue, Value,
    WorkspaceRecord,
};

use super::checkpoints::{ROOT, checkpoint, name, put};
use super::sample::{execution, finish, noise, outcome, start, unit};
use super::{Place, checks, refusal};
use crate::{Change, CheckpointFilter, Lease, NewChannel, NewCheckpoint, Store, StoreError};

checks!("files":
    a_checkpoint_comes_back_with_its_snapshot,
    copies_of_a_checkpoint_have_its_snapshot,
    a_workspace_is_written_under_a_lease,
    a_workspace_may_come_in_the_unit_that_starts_or_ends_its_attempt,
    a_snapshot_that_is_not_there_is_refused,
    snapshots_keep_their_objects,
);

const SUCCEEDED: (AttemptStatus, ExecutionStatus) =
    (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);

/// Puts an object that is no snapshot, which a store cannot tell.
fn snapshot(store: &dyn Store, number: u64) -> Result<StoredValue, StoreError> {
    store.put_value(Value::new("wtb.snapshot", noise(number, 9_000)))
}

fn with_snapshot(id: &str, parent: Option<&str>, snapshot: &StoredValue) -> NewCheckpoint {
    let snapshot = Some(snapshot.clone());
    NewCheckpoint { snapshot, ..checkpoint(name("t", ROOT, id), parent, id.as_bytes()) }
}

fn workspace(files: &StoredValue) -> WorkspaceRecord {
    WorkspaceRecord {
        rung: "overlay".to_owned(),
        inputs: "/data/in's".to_owned(),
        directory: "/base/s_1/e_1.1/upper".to_owned(),
        files: files.clone(),
    }
}

fn placed(id: &ExecutionId, number: u32, token: u64, files: &StoredValue) -> Change {
    let lease = Lease { execution: id.clone(), token };
    Change::PutWorkspace { attempt: number, lease, workspace: Box::new(workspace(files)) }
}

fn only_attempt(store: &dyn Store, id: &ExecutionId) -> Result<AttemptRecord, StoreError> {
    let mut attempts = store.detail(id)?.attempts;
    assert_eq!(attempts.len(), 1);
    Ok(attempts.remove(0))
}

fn a_checkpoint_comes_back_with_its_snapshot(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (one, two) = (snapshot(store.as_ref(), 1)?, snapshot(store.as_ref(), 2)?);
    store.commit(put(with_snapshot("1", None, &one)))?;
    // A channel that is the parent's, and a checkpoint without files.
    let mut second = with_snapshot("2", Some("1"), &two);
    let [channel] = &mut second.channels[..] else { panic!("there is one channel") };
    *channel = NewChannel { name: "x".to_owned(), version: "v1".to_owned(), value: None };
    store.commit(put(second))?;
    store.commit(put(checkpoint(name("t", ROOT, "3"), Some("2"), b"3")))?;
    drop(store);

    let store = place.open()?;
    let of = |id: &str| {
        let found = store.checkpoint("t", ROOT, Some(id))?;
        Ok::<_, StoreError>(found.and_then(|found| found.snapshot))
    };
    assert_eq!([of("1")?, of("2")?, of("3")?], [Some(one.clone()), Some(two.clone()), None]);
    assert_eq!(store.head("t", ROOT)?.and_then(|head| head.snapshot), None);
    let outlines = store.outline("t")?.into_iter().map(|one| one.snapshot);
    assert_eq!(outlines.collect::<Vec<_>>(), [Some(one.clone()), Some(two.clone()), None]);
    let steps = store.steps("t")?.into_iter().map(|step| step.outline.snapshot);
    assert_eq!(steps.collect::<Vec<_>>(), [Some(one.clone()), Some(two), None]);
    let filter = CheckpointFilter { thread: Some("t".into()), ..CheckpointFilter::default() };
    let listed = store.checkpoints(&filter, 10)?;
    assert_eq!(listed.last().and_then(|first| first.snapshot.clone()), Some(one));
    Ok(())
}

fn copies_of_a_checkpoint_have_its_snapshot(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (one, two) = (snapshot(store.as_ref(), 1)?, snapshot(store.as_ref(), 2)?);
    store.commit(put(with_snapshot("1", None, &one)))?;
    store.commit(put(with_snapshot("2", Some("1"), &two)))?;
    for (target, up_to) in [("all", None), ("cut", Some("1".to_owned()))] {
        let (source, target) = ("t".to_owned(), target.to_owned());
        store.commit(unit([Change::CopyThread { source, target, up_to }]))?;
    }
    let head = |thread| Ok::<_, StoreError>(store.head(thread, ROOT)?.and_then(|one| one.snapshot));
    assert_eq!([head("all")?, head("cut")?], [Some(two), Some(one)]);
    Ok(())
}

fn a_workspace_is_written_under_a_lease(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let (found, left) = (snapshot(store.as_ref(), 1)?, snapshot(store.as_ref(), 2)?);
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 7)]))?;
    assert_eq!(only_attempt(store.as_ref(), id)?.workspace, None);
    for (number, token) in [(1, 6), (2, 7)] {
        let error = refusal(store.commit(unit([placed(id, number, token, &found)])));
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    store.commit(unit([placed(id, 1, 7, &found)]))?;
    let running = only_attempt(store.as_ref(), id)?;
    assert_eq!(running.workspace, Some(workspace(&found)));
    assert_eq!((running.files, running.status), (None, AttemptStatus::Running));

    let delivered = AttemptOutcome { files: Some(left.clone()), ..outcome(0) };
    store.commit(unit([finish(id, (1, 7), SUCCEEDED, delivered)]))?;
    let ended = only_attempt(store.as_ref(), id)?;
    assert_eq!((ended.workspace, ended.files), (Some(workspace(&found)), Some(left)));
    let error = refusal(store.commit(unit([placed(id, 1, 7, &found)])));
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    Ok(())
}

fn a_workspace_may_come_in_the_unit_that_starts_or_ends_its_attempt(
    place: &dyn Place,
) -> Result<(), StoreError> {
    let store = place.open()?;
    let found = snapshot(store.as_ref(), 1)?;
    let singles = [execution(1), execution(2)];
    let ids = singles.each_ref().map(|single| &single.id);
    let delivered = AttemptOutcome { files: Some(found.clone()), ..outcome(0) };
    store.commit(unit([
        Change::CreateExecution(Box::new(singles[0].clone())),
        start(ids[0], 1, 1),
        placed(ids[0], 1, 1, &found),
        finish(ids[0], (1, 1), SUCCEEDED, delivered.clone()),
        Change::CreateExecution(Box::new(singles[1].clone())),
        start(ids[1], 1, 1),
    ]))?;
    store.commit(unit([
        placed(ids[1], 1, 1, &found),
        finish(ids[1], (1, 1), SUCCEEDED, delivered),
    ]))?;
    for id in ids {
        let attempt = only_attempt(store.as_ref(), id)?;
        assert_eq!(attempt.workspace, Some(workspace(&found)));
        assert_eq!(attempt.files, Some(found.clone()));
    }
    Ok(())
}

fn a_snapshot_that_is_not_there_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 1)]))?;
    let missing = StoredValue::Object { kind: "wtb.snapshot".to_owned(), hash: [7; 32], size: 0 };
    let delivered = AttemptOutcome { files: Some(missing.clone()), ..outcome(0) };
    for change in [
        Change::PutCheckpoint {
            checkpoint: Box::new(with_snapshot("1", None, &missing)),
            lease: None,
        },
        placed(id, 1, 1, &missing),
        finish(id, (1, 1), SUCCEEDED, delivered),
    ] {
        let error = refusal(store.commit(unit([change])));
        assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    }
    assert_eq!(store.head("t", ROOT)?, None);
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Running);
    Ok(())
}

fn snapshots_keep_their_objects(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    // Objects that came with checkpoints, so that nothing but what names them keeps them.
    let mut objects = Vec::new();
    for number in 1..=4 {
        let given = checkpoint(name("u", ROOT, &number.to_string()), None, &noise(number, 9_000));
        objects.push(given.channels[0].value.as_ref().map(|value| value.stored.clone()));
        store.commit(put(given))?;
    }
    let [Some(first), Some(found), Some(left), Some(dropped)] = &objects[..] else {
        panic!("values of 9,000 bytes are objects");
    };
    let delivered = AttemptOutcome { files: Some(left.clone()), ..outcome(0) };
    store.commit(unit([
        Change::PutCheckpoint {
            checkpoint: Box::new(with_snapshot("1", None, first)),
            lease: None,
        },
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 1),
        placed(id, 1, 1, found),
        finish(id, (1, 1), SUCCEEDED, delivered),
        Change::DeleteThread { thread: "u".into() },
    ]))?;
    store.collect()?;
    let store = place.open()?;
    for stored in [first, found, left] {
        assert_eq!(store.value(stored)?.bytes.len(), 9_000);
    }
    assert!(store.value(dropped).is_err());
    Ok(())
}
