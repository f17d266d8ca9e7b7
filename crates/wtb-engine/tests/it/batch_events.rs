//! Events of batches, pools, workers and backpressure: each is made to happen.

use wtb_engine::{Extension, Group};
use wtb_model::{BatchStatus, EventBody, FailFast, StatusCounts};

use crate::audit::audit;
use crate::support::{
    Bench, ended, events, eventually, executions, failure, journal, judged, plan, run, success,
    take, variant,
};

#[test]
fn batch_created_started_progress_and_completed_in_this_order() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(2, 3, |spec| spec.repeats = 2)).unwrap();
    let end = run(&active, 2, |_| success());
    let counts = StatusCounts { succeeded: 12, ..StatusCounts::default() };
    assert_eq!((end.status, end.counts), (Some(BatchStatus::Completed), counts));
    let id = active.id().unwrap();
    let bodies: Vec<_> =
        journal(bench.engine.store().as_ref(), id).into_iter().map(|one| one.event.body).collect();
    let created = EventBody::BatchCreated {
        workflow: "flow".to_owned(),
        variants: 2,
        cases: 3,
        repeats: 2,
        executions: 12,
    };
    assert_eq!(bodies[0], created);
    let started = EventBody::BatchStarted {
        outstanding: 12,
        runner: "thread".to_owned(),
        max_workers: 4,
        resumed: false,
    };
    assert_eq!(bodies[1], started);
    let [.., progress, EventBody::BatchCompleted { counts: at_end, .. }] = &bodies[..] else {
        panic!("the last event is {:?}", bodies.last());
    };
    assert!(matches!(progress, EventBody::BatchProgress { counts: told, .. } if *told == counts));
    assert_eq!(*at_end, counts);
    audit(bench.engine.store().as_ref(), id);
}

#[test]
fn batch_failed_when_every_execution_failed() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |_| ())).unwrap();
    let end = run(&active, 2, |_| failure("no"));
    assert_eq!(end.status, Some(BatchStatus::Failed));
    let failed = events(bench.engine.store().as_ref(), active.id().unwrap(), "batch.failed");
    let [EventBody::BatchFailed { reason, counts, .. }] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!((reason.as_str(), counts.failed), ("every execution failed", 3));
}

#[test]
fn batch_failed_early_cancels_what_is_left() {
    let bench = Bench::new();
    let change = |spec: &mut wtb_model::BatchSpec| {
        spec.fail_fast = Some(FailFast::Count(2));
        spec.max_workers = 1;
    };
    let active = bench.engine.submit(plan(1, 600, change)).unwrap();
    let end = run(&active, 1, |_| failure("no"));
    let expected = StatusCounts { failed: 2, cancelled: 598, ..StatusCounts::default() };
    assert_eq!((end.status, end.counts), (Some(BatchStatus::Failed), expected));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let failed = events(store, id, "batch.failed");
    assert!(
        matches!(&failed[..], [EventBody::BatchFailed { reason, .. }] if reason.contains("early"))
    );
    let reasons = events(store, id, "execution.cancelled");
    assert_eq!(reasons.len(), 598);
    assert!(matches!(
        &reasons[0],
        EventBody::ExecutionCancelled { reason } if reason == "too many executions failed"
    ));
    audit(store, id);
}

#[test]
fn batch_paused_and_resumed_hold_work_back() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    active.pause().unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let idle = active.poll(key, std::time::Duration::ZERO).unwrap();
    assert!(matches!(idle, wtb_engine::Poll::Idle), "{idle:?}");
    assert_eq!(active.progress().status, Some(BatchStatus::Paused));
    active.resume().unwrap();
    for _ in 0..2 {
        let task = take(&active, key);
        assert!(active.complete(&task, success()).unwrap());
    }
    assert_eq!(ended(&active).status, Some(BatchStatus::Completed));
    let kinds: Vec<_> = journal(bench.engine.store().as_ref(), active.id().unwrap())
        .iter()
        .map(|entry| entry.event.body.kind().to_owned())
        .filter(|kind| kind.starts_with("batch.") && kind != "batch.progress")
        .collect();
    let expected =
        ["batch.created", "batch.started", "batch.paused", "batch.resumed", "batch.completed"];
    assert_eq!(kinds, expected);
}

#[test]
fn a_batch_whose_last_attempts_end_while_it_is_paused_completes() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.pause().unwrap();
    assert!(active.complete(&task, success()).unwrap());
    assert_eq!(ended(&active).status, Some(BatchStatus::Completed));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(events(store, id, "batch.resumed").len(), 1);
    assert_eq!(store.batch(id).unwrap().batch.status, BatchStatus::Completed);
}

#[test]
fn batch_cancelled_ends_what_has_not_ended() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 300, |_| ())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let done = take(&active, key);
    assert!(active.complete(&done, success()).unwrap());
    let task = take(&active, key);
    active.cancel().unwrap();
    assert!(task.is_stopped());
    let end = ended(&active);
    let expected = StatusCounts { succeeded: 1, cancelled: 299, ..StatusCounts::default() };
    assert_eq!((end.status, end.counts), (Some(BatchStatus::Cancelled), expected));
    assert!(!active.complete(&task, success()).unwrap(), "a late outcome is refused");
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(events(store, id, "batch.cancelled").len(), 1);
    audit(store, id);
}

#[test]
fn batch_released_when_it_is_drained_and_started_again_when_it_is_resumed() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 4, |_| ())).unwrap();
    let id = active.id().unwrap().clone();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.drain().unwrap();
    active.drain().unwrap();
    assert!(active.complete(&task, success()).unwrap(), "what is under way is let finish");
    let end = ended(&active);
    assert!(end.resumable);
    assert_eq!((end.counts.succeeded, end.counts.queued), (1, 3));
    bench.reopen();
    let store = bench.engine.store().clone();
    let released = events(store.as_ref(), &id, "batch.released");
    assert_eq!(released, [EventBody::BatchReleased { outstanding: 3 }]);
    let again = bench.engine.resume(&id).unwrap();
    assert_eq!(run(&again, 2, |_| success()).counts.succeeded, 4);
    let started = events(store.as_ref(), &id, "batch.started");
    assert!(matches!(started[1], EventBody::BatchStarted { outstanding: 3, resumed: true, .. }));
    audit(store.as_ref(), &id);
}

#[test]
fn batch_extended_by_a_variant() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    run(&active, 1, |_| success());
    let id = active.id().unwrap();
    let extension = Extension { variants: vec![variant("new")], ..Extension::default() };
    let extended = bench.engine.extend(id, extension).unwrap();
    assert_eq!(run(&extended, 1, |_| success()).counts.succeeded, 4);
    let store = bench.engine.store().as_ref();
    let told = events(store, id, "batch.extended");
    assert_eq!(told, [EventBody::BatchExtended { executions: 2 }]);
    audit(store, id);
}

#[test]
fn pool_created_and_worker_started_failed_and_replaced() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |_| ())).unwrap();
    active.pool_created("thread", 1).unwrap();
    let first = active.join("first", 12, None, Group(0)).unwrap();
    let task = take(&active, first);
    assert!(active.complete(&task, success()).unwrap());
    let lost = take(&active, first);
    active.fail(first, "its thread died").unwrap();
    let second = active.join("second", 3, Some("first"), Group(0)).unwrap();
    let retried = take(&active, second);
    assert_eq!((retried.execution.clone(), retried.attempt), (lost.execution.clone(), 2));
    assert!(!active.complete(&lost, success()).unwrap(), "a lost worker's outcome is refused");
    assert!(active.complete(&retried, success()).unwrap());
    let third = take(&active, second);
    assert!(active.complete(&third, success()).unwrap());
    ended(&active);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let pool = EventBody::PoolCreated { runner: "thread".to_owned(), workers: 1 };
    assert_eq!(events(store, id, "pool.created"), [pool]);
    let started =
        |worker: &str, ready_ms| EventBody::WorkerStarted { worker: worker.to_owned(), ready_ms };
    assert_eq!(events(store, id, "worker.started"), [started("first", 12), started("second", 3)]);
    let failed = EventBody::WorkerFailed {
        worker: "first".to_owned(),
        reason: "its thread died".to_owned(),
        completed: 1,
    };
    assert_eq!(events(store, id, "worker.failed"), [failed]);
    let replaced =
        EventBody::WorkerReplaced { worker: "second".to_owned(), replaces: "first".to_owned() };
    assert_eq!(events(store, id, "worker.replaced"), [replaced]);
    audit(store, id);
}

#[test]
fn backpressure_applied_and_released_by_the_window_of_unscored_executions() {
    let bench = Bench::new();
    let change = |spec: &mut wtb_model::BatchSpec| {
        spec.evaluators = judged();
        spec.window = 2;
    };
    let active = bench.engine.submit(plan(1, 4, change)).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    for _ in 0..2 {
        let task = take(&active, key);
        assert!(active.complete(&task, success()).unwrap());
    }
    let idle = active.poll(key, std::time::Duration::ZERO).unwrap();
    assert!(matches!(idle, wtb_engine::Poll::Idle), "two unscored executions fill the window");
    assert!(active.progress().backpressure);
    std::thread::scope(|scope| {
        scope.spawn(|| crate::support::judge(&active));
        crate::support::work(&active, key, |_| success());
    });
    ended(&active);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let applied = events(store, id, "backpressure.applied");
    assert_eq!(applied[0], EventBody::BackpressureApplied { pending: 2, limit: 2 });
    assert_eq!(events(store, id, "backpressure.released").len(), applied.len());
    assert!(!active.progress().backpressure);
    assert!(executions(store, id).iter().all(|execution| execution.settled));
}

#[test]
fn progress_is_reported_while_a_batch_runs() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    assert!(active.complete(&task, success()).unwrap());
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    eventually("a progress event", || !events(store, id, "batch.progress").is_empty());
    let EventBody::BatchProgress { counts, .. } = events(store, id, "batch.progress")[0] else {
        panic!("not a progress event");
    };
    assert_eq!((counts.succeeded, counts.queued), (1, 1));
    active.cancel().unwrap();
}
