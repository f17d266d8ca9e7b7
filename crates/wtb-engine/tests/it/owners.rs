//! Who drives a batch: one session at a time, and nobody but it.

use wtb_engine::{EngineError, Group, Poll};
use wtb_model::ExecutionStatus;
use wtb_store::{Change, StoreError, UnitOfWork};

use crate::audit::audit;
use crate::support::{
    Bench, PATIENCE, events, executions, open, plan, run, statuses, success, take,
};

#[test]
fn a_batch_under_way_is_busy_and_the_error_names_its_driver() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    let id = active.id().unwrap();
    let other = open(bench.directory.path());
    let Err(EngineError::Busy { batch, owner }) = other.resume(id) else {
        panic!("a second session must not take the batch");
    };
    assert_eq!(batch, *id);
    assert!(owner.contains(&format!("process {}", std::process::id())), "{owner}");
    let own = bench.engine.resume(id).err().unwrap().to_string();
    assert!(own.contains("this program"), "{own}");
    active.abandon().unwrap();
    let taken = other.resume(id).unwrap();
    assert_eq!(run(&taken, 1, |_| success()).counts.succeeded, 2);
}

#[test]
fn only_one_of_many_threads_takes_a_batch_up() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    let id = active.id().unwrap().clone();
    active.abandon().unwrap();
    let taken: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| bench.engine.resume(&id).ok())).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.len(), 1);
    let started = events(bench.engine.store().as_ref(), &id, "batch.started");
    assert_eq!(started.len(), 2, "once when it was created, and once when it was taken up");
}

/// A machine that was silent for so long that its session counts as dead, and that goes on then.
#[test]
fn a_session_whose_batch_was_taken_over_starts_nothing_more() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |_| ())).unwrap();
    let id = active.id().unwrap();
    let other = open(bench.directory.path());
    let from = Some(bench.engine.session().clone());
    let (session, at) = (other.session().clone(), wtb_model::Timestamp::default());
    let claim = Change::ClaimBatch { batch: id.clone(), session, from, at };
    other.store().commit(UnitOfWork::silent(claim)).unwrap();

    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    let error = active.wait(PATIENCE).unwrap_err();
    let EngineError::Store(StoreError::NotOwner { owner, .. }) = &error else {
        panic!("expected that the batch has another owner, not {error}");
    };
    assert_eq!(owner.as_deref(), Some(other.session().as_str()));
    let message = error.to_string();
    assert!(message.contains("another session drives the batch"), "{message}");
    assert!(task.is_stopped(), "whoever runs it is told to stop");
    assert!(!active.complete(&task, success()).unwrap(), "and delivers in vain");
    assert!(matches!(active.poll(key, PATIENCE), Ok(Poll::Released)));

    let store = other.store().as_ref();
    assert_eq!(statuses(store, id), [ExecutionStatus::Queued; 3]);
    assert!(executions(store, id).iter().all(|execution| execution.attempts == 0));
    assert_eq!(events(store, id, "execution.started"), []);
    let taken = other.resume(id).unwrap();
    assert_eq!(run(&taken, 2, |_| success()).counts.succeeded, 3);
    audit(store, id);
    bench.engine.close().unwrap();
}

#[test]
fn a_finished_batch_is_extended_by_another_session() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    run(&active, 1, |_| success());
    let id = active.id().unwrap();
    let other = open(bench.directory.path());
    let extension = wtb_engine::Extension { repeats: 2, ..Default::default() };
    let extended = other.extend(id, extension).unwrap();
    assert_eq!(run(&extended, 1, |_| success()).counts.succeeded, 3);
    assert_eq!(other.store().batch(id).unwrap().batch.session.as_ref(), Some(other.session()));
}

#[test]
fn an_unknown_batch_cannot_be_taken_up() {
    let bench = Bench::new();
    let unknown = "b_0000000000000000".parse().unwrap();
    let error = bench.engine.resume(&unknown).err().unwrap().to_string();
    assert!(error.contains("there is no batch `b_0000000000000000`"), "{error}");
}
