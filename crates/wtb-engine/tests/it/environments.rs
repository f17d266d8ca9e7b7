//! Variants that need an environment: their attempts go to the workers of its group only.

use std::time::Duration;

use serde_json::json;
use wtb_engine::{ActiveBatch, BatchPlan, Extension, Group, Poll, WorkerKey};
use wtb_model::{BatchStatus, VariantRecord};

use crate::audit::audit;
use crate::support::{Bench, ended, plan, success, variant};

fn with_environment(name: &str, environment: &str) -> VariantRecord {
    let description = json!({ "environment": { "env_vars": { "WHICH": environment } } });
    VariantRecord { name: name.to_owned(), description }
}

/// `plain`, then `a` and `b` in one environment, with two cases each.
fn three_variants() -> BatchPlan {
    let variants = vec![variant("plain"), with_environment("a", "x"), with_environment("b", "x")];
    BatchPlan { variants, ..plan(1, 2, |_| ()) }
}

fn join(active: &ActiveBatch, group: u16) -> WorkerKey {
    active.join(&format!("of-{group}"), 0, None, Group(group)).unwrap()
}

/// Makes what there is for a worker, at most so many attempts; returns their variants.
fn work(active: &ActiveBatch, key: WorkerKey, most: usize) -> Vec<u32> {
    let mut made = Vec::new();
    while made.len() < most
        && let Poll::Task(task) = active.poll(key, Duration::ZERO).unwrap()
    {
        made.push(task.variant);
        assert!(active.complete(&task, success()).unwrap());
    }
    made
}

fn outstanding(active: &ActiveBatch) -> [u32; 3] {
    [0, 1, 2].map(|group| active.outstanding(Group(group)))
}

#[test]
fn each_worker_is_given_the_variants_of_its_group() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(three_variants()).unwrap();
    let id = active.id().unwrap().clone();
    let own = json!({ "env_vars": { "WHICH": "x" } });
    assert_eq!(active.environments(), [None, Some(own)]);
    assert_eq!(outstanding(&active), [2, 4, 0]);
    assert_eq!(work(&active, join(&active, 1), 3), [1, 2, 1]);
    assert_eq!(outstanding(&active), [2, 1, 0]);
    assert_eq!(work(&active, join(&active, 2), 9), [] as [u32; 0], "nothing needs that one");
    drop(active);
    bench.reopen();
    let again = bench.engine.resume(&id).unwrap();
    assert_eq!(outstanding(&again), [2, 1, 0]);
    assert_eq!(work(&again, join(&again, 0), 9), [0, 0]);
    assert_eq!(work(&again, join(&again, 1), 9), [2]);
    assert_eq!(ended(&again).status, Some(BatchStatus::Completed));
    let extension =
        Extension { variants: vec![with_environment("c", "y")], ..Extension::default() };
    let extended = bench.engine.extend(&id, extension).unwrap();
    assert_eq!(outstanding(&extended), [0, 0, 2]);
    assert_eq!(work(&extended, join(&extended, 2), 9), [3, 3]);
    assert_eq!(ended(&extended).status, Some(BatchStatus::Completed));
    audit(bench.engine.store().as_ref(), &id);
}
