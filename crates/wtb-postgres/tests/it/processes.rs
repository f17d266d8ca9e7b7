//! A writing process that is killed. A test starts itself again as the child: a variable in the
//! environment tells the two apart.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use wtb_model::{EventBody, ExecutionStatus};
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::{Batch, event, session_id, start, succeed, unit};
use wtb_store::{ExecutionFilter, JournalFilter, Page, Store, UnitOfWork};

use crate::Fresh;

const STORE: &str = "WTB_TEST_CHILD_STORE";
const CASES: u32 = 3_000;

/// The unit that takes one execution from its queue to its end, with two events.
fn whole_life(batch: &Batch, index: usize) -> UnitOfWork {
    let id = &batch.executions[index].id;
    let bodies =
        [EventBody::ExecutionPaused { attempt: 1 }, EventBody::ExecutionInterrupted { attempt: 1 }];
    UnitOfWork {
        changes: vec![start(id, 1, 1), succeed(id)],
        events: bodies.map(|body| event(Some(&batch.record.id), Some(id), body)).to_vec(),
    }
}

/// Asserts that each unit is there as a whole or not at all, and returns how many are there.
fn count_whole_units(store: &PostgresStore, batch: &Batch) -> usize {
    let filter =
        ExecutionFilter { batch: Some(batch.record.id.clone()), ..ExecutionFilter::default() };
    let executions = store.executions(&filter, Page::ALL).unwrap();
    let mut whole = 0;
    for execution in executions.iter().filter(|one| one.status != ExecutionStatus::Queued) {
        let detail = store.detail(&execution.id).unwrap();
        assert_eq!((detail.attempts.len(), detail.nodes.len()), (1, 3));
        whole += 1;
    }
    let events = store.journal(&JournalFilter::default(), 0, 100_000).unwrap();
    assert_eq!(events.len(), 2 * whole, "no events without their executions");
    let counts = store.batch(&batch.record.id).unwrap().counts;
    assert_eq!((counts.succeeded, counts.total()), (whole as u64, u64::from(CASES)));
    whole
}

#[test]
fn a_killed_process_leaves_whole_units() {
    let batch = Batch::new(1, &session_id(1), (1, CASES, 1));
    if let Ok(address) = env::var(STORE) {
        let store = PostgresStore::open(&address, PostgresOptions::default()).unwrap();
        for index in (0..CASES as usize).step_by(2) {
            let one = store.submit(whole_life(&batch, index)).unwrap();
            let two = store.submit(whole_life(&batch, index + 1)).unwrap();
            one.wait().and(two.wait()).unwrap();
            println!("durable {}", index + 2);
        }
        panic!("the child was to be killed before it is done");
    }
    for kill_after in [2, 57, 400] {
        let place = Fresh::new();
        place.store().commit(unit([batch.create()])).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::a_killed_process_leaves_whole_units", "--nocapture"])
            .env(STORE, &place.address)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut durable, mut killed) = (0, false);
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
        let store = place.store();
        // It waits for what the server may still be doing for the dead process.
        store.commit(whole_life(&batch, CASES as usize - 1)).unwrap();
        let whole = count_whole_units(&store, &batch);
        assert!(whole > durable, "{durable} were reported as durable, {whole} are there");
    }
}
