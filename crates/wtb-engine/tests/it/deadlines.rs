//! Deadlines, stuck workers and their replacement, late outcomes.

use std::time::Duration;

use wtb_engine::{Group, Poll};
use wtb_model::{BatchStatus, EventBody, ExecutionStatus};

use crate::audit::audit;
use crate::support::{
    Bench, Gate, PATIENCE, ended, events, eventually, executions, plan, success, take, work,
};

#[test]
fn execution_timed_out_at_its_deadline_while_its_worker_is_stuck_and_replaced() {
    let bench = Bench::new();
    let change = |spec: &mut wtb_model::BatchSpec| {
        spec.timeout_ms = Some(20);
        spec.max_workers = 1;
    };
    let active = bench.engine.submit(plan(1, 2, change)).unwrap();
    let gate = Gate::default();
    std::thread::scope(|scope| {
        let key = active.join("stuck", 0, None, Group(0)).unwrap();
        let (active, gate) = (&active, &gate);
        let late = scope.spawn(move || {
            let task = take(active, key);
            gate.wait();
            (active.complete(&task, success()).unwrap(), active.poll(key, PATIENCE).unwrap())
        });
        eventually("the worker to be reported as stuck", || active.stuck(Duration::ZERO) == [key]);
        assert_eq!(active.worker_name(key).as_deref(), Some("stuck"));
        active.fail(key, "stuck in user code").unwrap();
        let next = active.join("next", 0, Some("stuck"), Group(0)).unwrap();
        work(active, next, |_| success());
        ended(active);
        gate.open();
        let (accepted, poll) = late.join().unwrap();
        assert!(!accepted, "an outcome after the deadline is refused");
        assert!(matches!(poll, Poll::Released), "a worker that failed gets nothing more");
    });
    assert_eq!(ended(&active).status, Some(BatchStatus::CompletedWithErrors));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let timed_out = EventBody::ExecutionTimedOut { attempt: 1, dead_letter: true };
    assert_eq!(events(store, id, "execution.timed_out"), [timed_out]);
    let all = executions(store, id);
    let execution = all.iter().find(|one| one.status == ExecutionStatus::TimedOut).unwrap();
    assert_eq!(execution.error.as_ref().unwrap().kind, "TimeoutError");
    assert!(execution.duration_us.unwrap() >= 20_000, "it took its whole deadline");
    assert_eq!(events(store, id, "attempt.fenced").len(), 1);
    assert_eq!(events(store, id, "worker.replaced").len(), 1);
    audit(store, id);
}

#[test]
fn a_late_outcome_of_a_retried_attempt_is_fenced() {
    let bench = Bench::new();
    let change = |spec: &mut wtb_model::BatchSpec| {
        spec.timeout_ms = Some(20);
        spec.retries = 1;
    };
    let active = bench.engine.submit(plan(1, 1, change)).unwrap();
    let slow = active.join("slow", 0, None, Group(0)).unwrap();
    let quick = active.join("quick", 0, None, Group(0)).unwrap();
    let first = take(&active, slow);
    let second = take(&active, quick);
    assert_eq!((first.execution.clone(), second.attempt), (second.execution.clone(), 2));
    assert!(first.is_stopped() && !second.is_stopped());
    assert!(!active.complete(&first, crate::support::failure("late")).unwrap());
    assert!(active.complete(&second, success()).unwrap());
    assert_eq!(ended(&active).counts.succeeded, 1);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let fenced = EventBody::AttemptFenced {
        token: first.token,
        reason: "the attempt had expired".to_owned(),
    };
    assert_eq!(events(store, id, "attempt.fenced"), [fenced]);
    audit(store, id);
}

#[test]
fn a_worker_that_comes_back_is_not_stuck() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |spec| spec.timeout_ms = Some(10))).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    eventually("the deadline", || task.is_stopped());
    assert!(!active.complete(&task, success()).unwrap());
    take(&active, key);
    assert!(active.stuck(Duration::ZERO).is_empty());
    active.cancel().unwrap();
}

#[test]
fn a_worker_that_ignores_a_cancel_is_reported_as_stuck() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.cancel_execution(&task.execution).unwrap();
    assert_eq!(active.stuck(Duration::ZERO), [key]);
    assert!(active.stuck(Duration::from_hours(1)).is_empty(), "it has time to come back");
    active.cancel().unwrap();
    assert!(active.stuck(Duration::ZERO).is_empty());
}

#[test]
fn backoffs_and_deadlines_fire_without_anybody_polling() {
    let bench = Bench::new();
    for timeout_ms in [1, 5, 20, 40] {
        let change = |spec: &mut wtb_model::BatchSpec| {
            spec.timeout_ms = Some(timeout_ms);
            spec.max_workers = 1;
        };
        let active = bench.engine.submit(plan(1, 1, change)).unwrap();
        let key = active.join("w", 0, None, Group(0)).unwrap();
        take(&active, key);
        assert_eq!(ended(&active).counts.timed_out, 1);
    }
}
