//! A store that fails: the batch ends with the error, nobody hangs, and it can be resumed.

use wtb_engine::{Engine, EngineError, Group, Poll};
use wtb_model::{AttemptOutcome, NodeRecord, NodeStatus, StoredValue, Timestamp};
use wtb_store::StoreError;

use crate::audit::audit;
use crate::support::{PATIENCE, judge, judged, open, plan, run, success, take, url};

/// A success whose output fills the disk.
fn large() -> wtb_engine::Delivery {
    let output = StoredValue::Inline { kind: "bytes".to_owned(), bytes: vec![7; 20_000] };
    let outcome = AttemptOutcome { output: Some(output), ..AttemptOutcome::default() };
    wtb_engine::Delivery { outcome, ..success() }
}

#[test]
fn a_full_disk_ends_the_batch_and_it_is_resumed_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let cramped = Engine::open(&format!("{}?size_max_mb=1", url(directory.path()))).unwrap();
    let active = cramped.submit(plan(1, 200, |spec| spec.evaluators = judged())).unwrap();
    let id = active.id().unwrap().clone();
    std::thread::scope(|scope| {
        for number in 0..3 {
            let active = &active;
            scope.spawn(move || {
                let Ok(key) = active.join(&format!("w{number}"), 0, None, Group(0)) else {
                    return;
                };
                while let Ok(poll) = active.poll(key, PATIENCE) {
                    match poll {
                        Poll::Task(task) => drop(active.complete(&task, large())),
                        Poll::Idle => {}
                        Poll::Released => return,
                    }
                }
            });
        }
        scope.spawn(|| {
            while let Ok(wtb_engine::Scoring::Task(task)) = active.poll_scoring(PATIENCE) {
                drop(active.complete_scoring(&task, Vec::new()));
            }
        });
    });
    let error = active.wait(PATIENCE).unwrap_err();
    assert!(matches!(error, EngineError::Store(StoreError::Full(_))), "{error}");
    assert!(!active.is_under_way());
    drop(cramped.close()); // It may not have room for its last words.
    let roomy = open(directory.path());
    assert!(!roomy.store().batch(&id).unwrap().batch.status.is_final());
    let again = roomy.resume(&id).unwrap();
    assert_eq!(run(&again, 2, |_| success()).counts.succeeded, 200);
    audit(roomy.store().as_ref(), &id);
}

#[test]
fn a_store_that_was_closed_under_a_batch_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let active = engine.submit(plan(1, 2, |spec| spec.evaluators = judged())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    engine.store().close().unwrap();
    assert!(active.poll(key, PATIENCE).is_err());
    assert!(matches!(active.poll(key, PATIENCE), Ok(Poll::Released)));
    judge(&active);
    let error = active.wait(PATIENCE).unwrap_err();
    assert!(matches!(error, EngineError::Store(StoreError::Closed)), "{error}");
    assert!(engine.close().is_err(), "the session's end could not be written");
    // This process knows that its session is over, though the store does not.
    let again = open(directory.path()).resume(active.id().unwrap());
    assert!(again.is_ok(), "{:?}", again.err());
}

/// A success that the store refuses: two nodes claim the same place.
fn unstorable() -> wtb_engine::Delivery {
    let node = NodeRecord {
        attempt: 1,
        order: 0,
        node: "answer".to_owned(),
        step: 1,
        status: NodeStatus::Succeeded,
        calls: 1,
        started_at: Timestamp::default(),
        duration_us: 3,
        input: None,
        output: None,
        error: None,
        usage: None,
    };
    let outcome = AttemptOutcome { nodes: vec![node.clone(), node], ..AttemptOutcome::default() };
    wtb_engine::Delivery { outcome, ..success() }
}

#[test]
fn a_batch_never_ends_on_an_outcome_that_was_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    for evaluators in [Vec::new(), judged()] {
        let scored = !evaluators.is_empty();
        let active = engine.submit(plan(1, 1, |spec| spec.evaluators = evaluators)).unwrap();
        let key = active.join("w", 0, None, Group(0)).unwrap();
        let task = take(&active, key);
        drop(active.complete(&task, unstorable()));
        if scored {
            drop(active.cancel()); // Nobody looks at the outcome in order to score it.
        }
        let error = active.wait(PATIENCE).unwrap_err();
        assert!(matches!(error, EngineError::Store(StoreError::Backend { .. })), "{error}");
        let id = active.id().unwrap();
        assert!(!engine.store().batch(id).unwrap().batch.status.is_final());
        let again = engine.resume(id).unwrap();
        assert_eq!(run(&again, 1, |_| success()).counts.succeeded, 1);
        audit(engine.store().as_ref(), id);
    }
}
