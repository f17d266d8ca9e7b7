//! Extending a batch: only what is new runs, under the seeds it would have had from the start.

use std::collections::HashSet;
use std::sync::Mutex;

use wtb_engine::{Extension, execution_seed};
use wtb_model::ExecutionStatus;

use crate::audit::audit;
use crate::support::{Bench, case, executions, plan, run, success, variant};

#[test]
fn variants_cases_and_repeats_are_added_and_only_they_run() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    let id = active.id().unwrap().clone();
    run(&active, 1, |_| success());
    let old: HashSet<_> = active.executions().into_iter().collect();
    bench.reopen();
    let extension =
        Extension { variants: vec![variant("v1")], cases: vec![case("c2")], repeats: 1 };
    let extended = bench.engine.extend(&id, extension).unwrap();
    let ran = Mutex::new(HashSet::new());
    let end = run(&extended, 2, |task| {
        assert!(ran.lock().unwrap().insert(task.execution.clone()), "each runs once");
        success()
    });
    // 2 variants x 3 cases x 2 repeats, 2 of them old.
    assert_eq!(end.counts.succeeded, 12);
    let ran = ran.into_inner().unwrap();
    assert_eq!(ran.len(), 10);
    assert!(ran.is_disjoint(&old));
    let store = bench.engine.store().as_ref();
    for execution in executions(store, &id) {
        let seed = execution_seed(7, &execution.case_id, execution.repeat);
        assert_eq!(execution.seed, seed, "whatever the variant");
    }
    audit(store, &id);
}

#[test]
fn an_extension_that_makes_no_sense_changes_nothing() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    run(&active, 1, |_| success());
    let id = active.id().unwrap();
    let refused =
        |extension: Extension| bench.engine.extend(id, extension).err().unwrap().to_string();
    let nothing = refused(Extension::default());
    assert!(nothing.contains("nothing to add"), "{nothing}");
    let taken = refused(Extension { variants: vec![variant("v0")], ..Extension::default() });
    assert!(taken.contains("two variants are called `v0`"), "{taken}");
    let many =
        refused(Extension { repeats: u32::MAX, cases: vec![case("x")], ..Extension::default() });
    assert!(many.contains("more than a batch can hold"), "{many}");
    let store = bench.engine.store().as_ref();
    assert_eq!(executions(store, id).len(), 1);
    assert_eq!(store.cases(id).unwrap().len(), 1);
}

#[test]
fn an_extension_also_runs_what_was_left_unfinished() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |_| ())).unwrap();
    active.abandon().unwrap();
    let id = active.id().unwrap();
    let extension = Extension { cases: vec![case("c3")], ..Extension::default() };
    let extended = bench.engine.extend(id, extension).unwrap();
    run(&extended, 2, |_| success());
    let store = bench.engine.store().as_ref();
    let all = executions(store, id);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|execution| execution.status == ExecutionStatus::Succeeded));
    audit(store, id);
}
