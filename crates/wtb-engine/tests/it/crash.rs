//! A driver that is killed: no cell that had finished runs again, none is lost.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wtb_engine::{Delivery, Task};
use wtb_model::{BatchId, ExecutionStatus};
use wtb_store::Page;

use crate::audit::audit;
use crate::support::{eventually, executions, judged, open, plan, run, success};

/// Names the directory to a test that is started as the driver to be killed.
const DIRECTORY: &str = "WTB_TEST_CRASH_DIRECTORY";
const TEST: &str = "crash::a_driver_killed_twice_loses_nothing_and_repeats_nothing";
const CELLS: u32 = 400;

#[test]
fn a_driver_killed_twice_loses_nothing_and_repeats_nothing() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        drive(Path::new(&directory));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let effects = directory.path().join("effects");
    let mut finished = HashSet::new();
    for _ in 0..2 {
        let before = lines(&effects).len();
        let mut driver = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("some work", || lines(&effects).len() >= before + 60);
        driver.kill().unwrap();
        driver.wait().unwrap();
        let engine = open(directory.path());
        finished = succeeded(&engine, &only_batch(&engine));
        engine.close().unwrap();
    }
    assert!(!finished.is_empty() && finished.len() < CELLS as usize, "killed half way");

    let engine = open(directory.path());
    let id = only_batch(&engine);
    let before = lines(&effects).len();
    let active = engine.resume(&id).unwrap();
    let end = run(&active, 3, |task| effect(&effects, task));
    assert_eq!(end.counts.succeeded, u64::from(CELLS));
    let rerun: HashSet<_> = lines(&effects).split_off(before).into_iter().collect();
    assert!(rerun.is_disjoint(&finished), "what had finished is not run again");
    let union: HashSet<_> = finished.union(&rerun).collect();
    assert_eq!(union.len(), CELLS as usize, "nothing is lost");
    assert_eq!(engine.store().scores(&id).unwrap().len(), CELLS as usize);
    audit(engine.store().as_ref(), &id);
}

/// Drives the batch in the directory until it is killed.
fn drive(directory: &Path) {
    let engine = open(directory);
    let known = engine.store().batches(&wtb_store::BatchFilter::default(), Page::ALL).unwrap();
    let active = match known.first() {
        Some(known) => engine.resume(&known.batch.id).unwrap(),
        None => engine.submit(plan(2, CELLS / 2, |spec| spec.evaluators = judged())).unwrap(),
    };
    let effects = directory.join("effects");
    run(&active, 3, |task| {
        std::thread::sleep(Duration::from_millis(2));
        effect(&effects, task)
    });
    // Never reached unless the parent is dead: it kills this process half way.
    std::process::abort();
}

/// What a node does to the world: one line in a file.
fn effect(effects: &Path, task: &Task) -> Delivery {
    let mut file = OpenOptions::new().create(true).append(true).open(effects).unwrap();
    file.write_all(format!("{}\n", task.execution).as_bytes()).unwrap();
    success()
}

fn lines(effects: &Path) -> Vec<String> {
    std::fs::read_to_string(effects).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn only_batch(engine: &wtb_engine::Engine) -> BatchId {
    engine.store().find_batch("latest").unwrap()
}

fn succeeded(engine: &wtb_engine::Engine, batch: &BatchId) -> HashSet<String> {
    executions(engine.store().as_ref(), batch)
        .into_iter()
        .filter(|execution| execution.status == ExecutionStatus::Succeeded)
        .map(|execution| execution.id.to_string())
        .collect()
}
