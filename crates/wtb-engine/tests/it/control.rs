//! Ending early: abandon, close, drain, and what is refused afterwards.

use std::time::Duration;

use wtb_engine::{Engine, EngineError, Group, Poll, Scoring};
use wtb_model::{BatchStatus, ExecutionStatus};

use crate::audit::audit;
use crate::support::{Bench, ended, events, judged, open, plan, run, statuses, success, take, url};

#[test]
fn abandon_gives_back_what_is_under_way_and_releases_who_waits() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    let busy = active.join("busy", 0, None, Group(0)).unwrap();
    let task = take(&active, busy);
    let waiting = active.join("waiting", 0, None, Group(0)).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| active.poll(waiting, Duration::MAX).unwrap());
        active.abandon().unwrap();
        assert!(matches!(waiter.join().unwrap(), Poll::Released));
    });
    active.abandon().unwrap();
    assert!(task.is_stopped());
    assert!(!active.complete(&task, success()).unwrap());
    assert!(active.pause().is_err() && active.cancel().is_err());
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(statuses(store, id), [ExecutionStatus::Queued]);
    assert!(store.batch(id).unwrap().batch.session.is_none(), "it belongs to nobody");
    audit(store, id);
}

#[test]
fn closing_from_another_thread_leaves_active_batches_to_a_later_session() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 50, |_| ())).unwrap();
    let id = active.id().unwrap().clone();
    std::thread::scope(|scope| {
        for number in 0..3 {
            let key = active.join(&format!("w{number}"), 0, None, Group(0)).unwrap();
            let active = &active;
            scope.spawn(move || {
                while let Poll::Task(task) = active.poll(key, Duration::MAX).unwrap() {
                    std::thread::sleep(Duration::from_millis(1));
                    active.complete(&task, success()).unwrap();
                }
                active.leave(key).unwrap();
                let late = active.join("late", 0, None, Group(0)).unwrap();
                assert!(matches!(active.poll(late, Duration::MAX), Ok(Poll::Released)));
                active.fail(key, "nobody minds").unwrap();
            });
        }
        let closers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| bench.engine.close().unwrap())).collect();
        for closer in closers {
            closer.join().unwrap();
        }
        assert!(ended(&active).resumable);
    });
    assert!(matches!(bench.engine.submit(plan(1, 1, |_| ())), Err(EngineError::Closed)));
    assert!(matches!(bench.engine.resume(&id), Err(EngineError::Closed)));
    bench.engine = open(bench.directory.path());
    let again = bench.engine.resume(&id).unwrap();
    assert_eq!(run(&again, 2, |_| success()).counts.succeeded, 50);
    audit(bench.engine.store().as_ref(), &id);
}

#[test]
fn dropping_an_engine_closes_it() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let active = engine.submit(plan(1, 1, |_| ())).unwrap();
    drop(engine);
    assert!(ended(&active).resumable);
    let again = open(directory.path()).resume(active.id().unwrap());
    assert!(again.is_ok());
}

#[test]
fn a_drained_batch_waits_for_its_running_attempts_and_their_scores() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |spec| spec.evaluators = judged())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.drain().unwrap();
    assert!(active.complete(&task, success()).unwrap());
    assert!(active.wait(Duration::ZERO).unwrap().is_none(), "its score is missing");
    assert!(matches!(active.poll(key, Duration::MAX), Ok(Poll::Released)));
    crate::support::judge(&active);
    let end = ended(&active);
    assert!(end.resumable);
    assert_eq!((end.counts.succeeded, end.counts.queued), (1, 2));
}

#[test]
fn a_paused_batch_is_cancelled_or_drained_like_any_other() {
    let bench = Bench::new();
    let cancelled = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    cancelled.pause().unwrap();
    cancelled.cancel().unwrap();
    assert_eq!(ended(&cancelled).status, Some(BatchStatus::Cancelled));
    let drained = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    drained.pause().unwrap();
    drained.drain().unwrap();
    assert!(ended(&drained).resumable);
    let again = bench.engine.resume(drained.id().unwrap()).unwrap();
    assert_eq!(run(&again, 1, |_| success()).status, Some(BatchStatus::Completed));
}

#[test]
fn cancelling_does_not_wait_for_scores_nobody_brings() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |spec| spec.evaluators = judged())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    for _ in 0..2 {
        let task = take(&active, key);
        active.complete(&task, success()).unwrap();
    }
    let Scoring::Task(late) = active.poll_scoring(crate::support::PATIENCE).unwrap() else {
        panic!("nothing to score");
    };
    active.cancel().unwrap();
    assert_eq!(ended(&active).status, Some(BatchStatus::Cancelled));
    assert!(matches!(active.poll_scoring(Duration::MAX), Ok(Scoring::Done)));
    active.complete_scoring(&late, vec![crate::support::score(1.0)]).unwrap();
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(events(store, id, "execution.scored").len(), 1, "a late score is a score");
    // Taken up again, the one without a score is scored, and nothing runs.
    let again = bench.engine.resume(id).unwrap();
    run(&again, 1, |_| panic!("nothing is left to run"));
    assert_eq!(store.scores(id).unwrap().len(), 2);
}

#[test]
fn taking_up_what_has_ended_changes_nothing() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    active.cancel().unwrap();
    let before = ended(&active);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let length = crate::support::journal(store, id).len();
    let again = bench.engine.resume(id).unwrap();
    again.pool_created("thread", 1).unwrap();
    assert_eq!(run(&again, 1, |_| success()), before);
    assert_eq!(crate::support::journal(store, id).len(), length);
    assert_eq!(store.batch(id).unwrap().batch.status, BatchStatus::Cancelled);
}

#[test]
fn plans_that_cannot_work_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let refused = [
        (plan(0, 1, |_| ()), "at least one variant"),
        (plan(1, 0, |_| ()), "at least one case"),
        (plan(1, 1, |spec| spec.repeats = 0), "repeats"),
        (plan(1, 1, |spec| spec.timeout_ms = Some(0)), "attempt_timeout"),
        (plan(1, 1, |spec| spec.backoff.factor = 0.5), "backoff.factor"),
    ];
    for (plan, expected) in refused {
        let error = bench.engine.submit(plan).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut twice = plan(2, 1, |_| ());
    twice.variants[1].name = "v0".to_owned();
    let error = bench.engine.submit(twice).err().unwrap().to_string();
    assert!(error.contains("two variants are called `v0`"), "{error}");
    let none = bench
        .engine
        .store()
        .batches(&wtb_store::BatchFilter::default(), wtb_store::Page::ALL)
        .unwrap();
    assert!(none.is_empty());
}

#[test]
fn an_engine_is_opened_again_and_again_on_one_file() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let engine = Engine::open(&url(directory.path())).unwrap();
        let active = engine.submit(plan(1, 1, |_| ())).unwrap();
        run(&active, 1, |_| success());
        engine.close().unwrap();
        engine.close().unwrap();
    }
    let engine = open(directory.path());
    assert_eq!(engine.store().open_sessions().unwrap().len(), 1);
}
