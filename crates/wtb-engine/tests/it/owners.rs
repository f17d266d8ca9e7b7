//! Who drives a batch: one session at a time, and nobody but it.

use wtb_engine::EngineError;

use crate::support::{Bench, events, open, plan, run, success};

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
