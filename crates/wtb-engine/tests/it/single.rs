//! Single executions, outside of any batch.

use wtb_engine::{Beginning, Group, RetryPlan, SinglePlan};
use wtb_model::{ExecutionId, ExecutionStatus, Value};
use wtb_store::{ExecutionFilter, Page};

use crate::support::{Bench, ended, failure, open, run, success, take};

fn single() -> SinglePlan {
    SinglePlan {
        workspace: wtb_model::WorkspaceSpec::default(),
        workflow: "flow".to_owned(),
        variant: "baseline".to_owned(),
        input: Value::new("text", b"hello".to_vec()),
        seed: 3,
        timeout_ms: None,
        checkpointed: true,
        front: serde_json::Value::Null,
    }
}

fn retried(execution: &ExecutionId) -> RetryPlan {
    RetryPlan {
        workspace: wtb_model::WorkspaceSpec::default(),
        execution: execution.clone(),
        timeout_ms: None,
        checkpointed: true,
        beginning: Beginning::Input,
    }
}

#[test]
fn a_single_execution_runs_and_is_kept() {
    let bench = Bench::new();
    let active = bench.engine.submit_single(single()).unwrap();
    let end = run(&active, 1, |task| {
        assert_eq!((task.seed, task.attempt), (3, 1));
        success()
    });
    assert_eq!((end.status, end.counts.succeeded, end.resumable), (None, 1, false));
    let filter = ExecutionFilter { single: true, ..ExecutionFilter::default() };
    let stored = bench.engine.store().executions(&filter, Page::ALL).unwrap();
    assert_eq!(stored.len(), 1);
    let input = bench.engine.store().value(stored[0].input.as_ref().unwrap()).unwrap();
    assert_eq!(input.bytes, b"hello".as_slice());
}

#[test]
fn one_that_failed_is_retried_and_one_under_way_is_not() {
    let bench = Bench::new();
    let active = bench.engine.submit_single(single()).unwrap();
    let id = active.executions().remove(0);
    let error = bench.engine.retry_single(&retried(&id)).err().unwrap().to_string();
    assert!(error.contains("is under way in this program"), "{error}");
    run(&active, 1, |_| failure("no"));
    let again = bench.engine.retry_single(&retried(&id)).unwrap();
    let key = again.join("w", 0, None, Group(0)).unwrap();
    let task = take(&again, key);
    assert_eq!(task.attempt, 2);
    let other = open(bench.directory.path());
    let error = other.retry_single(&retried(&id)).err().unwrap().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    again.complete(&task, success()).unwrap();
    ended(&again);
    let stored = bench.engine.store().execution(&id).unwrap();
    assert_eq!((stored.status, stored.attempts), (ExecutionStatus::Succeeded, 2));
}

#[test]
fn one_that_its_session_left_is_taken_up_again() {
    let mut bench = Bench::new();
    let active = bench.engine.submit_single(single()).unwrap();
    let id = active.executions().remove(0);
    let key = active.join("w", 0, None, Group(0)).unwrap();
    take(&active, key);
    bench.reopen();
    assert!(ended(&active).resumable);
    let again = bench.engine.retry_single(&retried(&id)).unwrap();
    assert_eq!(run(&again, 1, |_| success()).counts.succeeded, 1);
}

#[test]
fn a_cell_of_a_batch_is_no_single_execution() {
    let bench = Bench::new();
    let active = bench.engine.submit(crate::support::plan(1, 1, |_| ())).unwrap();
    run(&active, 1, |_| failure("no"));
    let error = bench.engine.retry_single(&retried(&active.executions()[0])).err().unwrap();
    assert!(error.to_string().contains("retry it there"), "{error}");
}
