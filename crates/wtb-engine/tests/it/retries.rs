//! Retries, dead letters, and the budget that each session charges.

use std::sync::atomic::{AtomicU32, Ordering};

use wtb_engine::{AttemptEnd, Beginning, Delivery, Group};
use wtb_model::{AttemptOutcome, AttemptStatus, BatchStatus, ExecutionStatus};
use wtb_store::ExecutionFilter;

use crate::audit::audit;
use crate::support::{Bench, ended, events, executions, failure, plan, run, success, take};

#[test]
fn a_failed_attempt_is_retried_until_it_succeeds() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |spec| spec.retries = 2)).unwrap();
    let end = run(&active, 2, |task| if task.attempt < 3 { failure("not yet") } else { success() });
    assert_eq!((end.status, end.counts.succeeded), (Some(BatchStatus::Completed), 3));
    assert_eq!(active.progress().retried, 6);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    for execution in executions(store, id) {
        let attempts = store.detail(&execution.id).unwrap().attempts;
        let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status).collect();
        let expected = [AttemptStatus::Failed, AttemptStatus::Failed, AttemptStatus::Succeeded];
        assert_eq!(statuses, expected);
        assert!(execution.error.is_none() && !execution.dead_letter);
    }
    audit(store, id);
}

#[test]
fn what_cannot_be_helped_by_another_attempt_gets_none() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.retries = 5)).unwrap();
    let end = run(&active, 1, |_| Delivery {
        end: AttemptEnd::Failed { retryable: false, retry_after: None },
        outcome: AttemptOutcome::default(),
    });
    assert_eq!(end.counts.failed, 1);
    assert_eq!(executions(bench.engine.store().as_ref(), active.id().unwrap())[0].attempts, 1);
}

#[test]
fn dead_letters_are_retried_with_a_fresh_budget_and_the_rest_is_left_alone() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 4, |spec| spec.retries = 1)).unwrap();
    let id = active.id().unwrap().clone();
    let end = run(&active, 2, |task| if task.case < 2 { failure("down") } else { success() });
    assert_eq!(end.status, Some(BatchStatus::CompletedWithErrors));
    bench.reopen();
    let store = bench.engine.store().clone();
    let filter = ExecutionFilter {
        batch: Some(id.clone()),
        dead_letter: true,
        ..ExecutionFilter::default()
    };
    let dead: Vec<_> = store
        .executions(&filter, wtb_store::Page::ALL)
        .unwrap()
        .into_iter()
        .map(|execution| execution.id)
        .collect();
    assert_eq!(dead.len(), 2);
    let again = bench.engine.retry(&id, &dead, Beginning::Input).unwrap();
    let ran = AtomicU32::new(0);
    // Attempt 3 fails and must be followed by attempt 4: the budget of one retry is fresh.
    let end = run(&again, 2, |task| {
        ran.fetch_add(1, Ordering::SeqCst);
        if task.attempt < 4 { failure("still down") } else { success() }
    });
    assert_eq!((end.status, end.counts.succeeded), (Some(BatchStatus::Completed), 4));
    assert_eq!(ran.load(Ordering::SeqCst), 4);
    assert!(store.executions(&filter, wtb_store::Page::ALL).unwrap().is_empty());
    audit(store.as_ref(), &id);
}

#[test]
fn a_retry_of_one_that_cannot_be_retried_changes_nothing() {
    let bench = Bench::new();
    let other = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    run(&other, 1, |_| failure("no"));
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    run(&active, 1, |_| failure("no"));
    let id = active.id().unwrap();
    let mut mixed = active.executions();
    mixed.extend(other.executions());
    let error = bench.engine.retry(id, &mixed, Beginning::Input).err().unwrap().to_string();
    assert!(error.contains("does not belong to batch"), "{error}");
    let twice = [active.executions(), active.executions()].concat();
    let error = bench.engine.retry(id, &twice, Beginning::Input).err().unwrap().to_string();
    assert!(error.contains("cannot go from `queued` to `queued`"), "{error}");
    let store = bench.engine.store().as_ref();
    assert_eq!(store.batch(id).unwrap().counts.failed, 2);
    assert!(events(store, id, "execution.requeued").is_empty());
}

#[test]
fn the_failures_of_an_earlier_session_count_and_a_stopped_attempt_does_not() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.retries = 1)).unwrap();
    let id = active.id().unwrap().clone();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let first = take(&active, key);
    active.complete(&first, failure("first")).unwrap();
    let second = take(&active, key);
    active.abandon().unwrap();
    assert!(second.is_stopped());
    assert!(ended(&active).resumable);
    bench.reopen();
    let again = bench.engine.resume(&id).unwrap();
    // One failure is on the account already: the next one is the last.
    let end = run(&again, 1, |task| failure(&format!("attempt {}", task.attempt)));
    assert_eq!(end.counts.failed, 1);
    let execution = &executions(bench.engine.store().as_ref(), &id)[0];
    assert_eq!((execution.attempts, execution.status), (3, ExecutionStatus::Failed));
    let attempts = bench.engine.store().detail(&execution.id).unwrap().attempts;
    assert_eq!(attempts[1].status, AttemptStatus::Cancelled);
    audit(bench.engine.store().as_ref(), &id);
}

#[test]
fn stopping_a_batch_again_and_again_costs_its_executions_nothing() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    let id = active.id().unwrap().clone();
    let mut active = active;
    for _ in 0..6 {
        let key = active.join("w", 0, None, Group(0)).unwrap();
        take(&active, key);
        active.abandon().unwrap();
        bench.reopen();
        active = bench.engine.resume(&id).unwrap();
    }
    assert_eq!(run(&active, 1, |_| success()).status, Some(BatchStatus::Completed));
    audit(bench.engine.store().as_ref(), &id);
}

#[test]
fn a_cell_that_loses_every_worker_ends() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    for number in 0..4 {
        let key = active.join(&format!("w{number}"), 0, None, Group(0)).unwrap();
        take(&active, key);
        active.fail(key, "it vanished").unwrap();
    }
    let end = ended(&active);
    assert_eq!(end.status, Some(BatchStatus::Failed));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let execution = &executions(store, id)[0];
    assert_eq!(execution.error.as_ref().unwrap().kind, "WorkerLostError");
    assert!(execution.dead_letter);
    audit(store, id);
}
