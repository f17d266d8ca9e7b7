//! Several processes on one file, and one that is killed. A test starts itself again as the child:
//! a variable in the environment tells the two apart.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use wtb_model::{EventBody, ExecutionStatus};
use wtb_store::conformance::sample::{Batch, event, session_id, start_by, succeed};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{ExecutionFilter, JournalFilter, Page, Store, UnitOfWork};

use crate::File;

const STORE: &str = "WTB_TEST_CHILD_STORE";
const NUMBER: &str = "WTB_TEST_CHILD_NUMBER";
const CASES: u32 = 3_000;

/// What a child was told, when this process is one.
fn as_child() -> Option<(SqliteStore, u64)> {
    let address = env::var(STORE).ok()?;
    let number = env::var(NUMBER).unwrap().parse().unwrap();
    Some((SqliteStore::open(&address, SqliteOptions::default()).unwrap(), number))
}

fn start_child(test: &str, file: &File, number: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(STORE, file.address())
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The unit that takes one execution from its queue to its end, with two events.
fn whole_life(batch: &Batch, index: usize) -> UnitOfWork {
    let id = &batch.executions[index].id;
    let owner = batch.record.session.as_ref().unwrap();
    let bodies =
        [EventBody::ExecutionPaused { attempt: 1 }, EventBody::ExecutionInterrupted { attempt: 1 }];
    UnitOfWork {
        changes: vec![start_by(owner, id, (1, 1)), succeed(id)],
        events: bodies.map(|body| event(Some(&batch.record.id), Some(id), body)).to_vec(),
    }
}

/// Asserts that each unit is there as a whole or not at all, and returns how many are there.
fn count_whole_units(store: &SqliteStore, batch: &Batch) -> usize {
    let summary = store.batch(&batch.record.id).unwrap();
    let filter =
        ExecutionFilter { batch: Some(batch.record.id.clone()), ..ExecutionFilter::default() };
    let executions = store.executions(&filter, Page::ALL).unwrap();
    assert_eq!(executions.len(), batch.executions.len());
    let mut whole = 0;
    for execution in executions {
        let detail = store.detail(&execution.id).unwrap();
        let of_it =
            JournalFilter { execution: Some(execution.id.clone()), ..JournalFilter::default() };
        let events = store.journal(&of_it, 0, 10).unwrap().len();
        let written = (execution.status, detail.attempts.len(), detail.nodes.len(), events);
        if execution.status == ExecutionStatus::Queued {
            assert_eq!(written, (ExecutionStatus::Queued, 0, 0, 0));
        } else {
            assert_eq!(written, (ExecutionStatus::Succeeded, 1, 3, 2));
            whole += 1;
        }
    }
    assert_eq!(summary.counts.succeeded, whole as u64);
    assert_eq!(summary.counts.total(), batch.executions.len() as u64);
    whole
}

#[test]
fn processes_share_one_store() {
    const EACH: usize = 200;
    if let Some((store, number)) = as_child() {
        let batch = Batch::new(number, &session_id(number), (1, 200, 1));
        store.commit(UnitOfWork { changes: vec![batch.create()], events: Vec::new() }).unwrap();
        for index in 0..EACH {
            store.commit(whole_life(&batch, index)).unwrap();
        }
        return;
    }
    // Nobody has made the file yet: the children race for that, too.
    let file = File::fresh();
    let children: Vec<_> = (1..=3)
        .map(|number| start_child("processes::processes_share_one_store", &file, number))
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let store = file.store();
    for number in 1..=3 {
        let batch = Batch::new(number, &session_id(number), (1, 200, 1));
        assert_eq!(count_whole_units(&store, &batch), EACH);
    }
    drop(store);
    file.assert_sound();
}

#[test]
fn a_killed_process_leaves_whole_units() {
    let batch = Batch::new(1, &session_id(1), (1, CASES, 1));
    if let Some((store, _)) = as_child() {
        // Two at a time, so that the kill falls into groups as well as between them.
        for index in (0..CASES as usize).step_by(2) {
            let one = store.submit(whole_life(&batch, index)).unwrap();
            let two = store.submit(whole_life(&batch, index + 1)).unwrap();
            one.wait().and(two.wait()).unwrap();
            println!("durable {}", index + 2);
        }
        std::io::stdout().flush().unwrap();
        panic!("the child was to be killed before it is done");
    }
    for kill_after in [2, 57, 400] {
        let file = File::fresh();
        let create = UnitOfWork { changes: vec![batch.create()], events: Vec::new() };
        file.store().commit(create).unwrap();
        let mut child = start_child("processes::a_killed_process_leaves_whole_units", &file, 1);
        let mut durable = 0;
        let mut killed = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let number = line.split_once("durable ").and_then(|(_, number)| number.parse().ok());
            durable = number.unwrap_or(durable);
            if durable >= kill_after && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself after {durable}");

        let store = file.store();
        let whole = count_whole_units(&store, &batch);
        assert!(whole >= durable, "{durable} were reported as durable, {whole} are there");
        store.commit(whole_life(&batch, CASES as usize - 1)).unwrap();
        drop(store);
        file.assert_sound();
    }
}
