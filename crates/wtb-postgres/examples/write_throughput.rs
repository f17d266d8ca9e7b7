//! Measures the hot path of the PostgreSQL store: units per second, start and end of each attempt
//! with three node records and three events.
//!
//! ```console
//! cargo run --release -p wtb-postgres --example write_throughput -- \
//!     'postgresql://postgres@localhost/bench?schema=throughput' 20000 8 2048
//! ```
//!
//! The numbers are those of executions, of threads that submit, and of tickets that are outstanding
//! in all of them together before the oldest is redeemed (1 for each thread: each unit is waited
//! for). The schema should be a fresh one. Prints one line of JSON.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Write as _;
use std::thread;
use std::time::Instant;

use wtb_model::{BatchId, EventBody, ExecutionId};
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample;
use wtb_store::{Change, ExecutionFilter, Page, Store, StoreError, Ticket, UnitOfWork};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("the address is missing")?;
    let executions: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let tickets: usize = arguments.next().map_or(Ok(2_048), |text| text.parse())?;

    let store = PostgresStore::open(&address, PostgresOptions::default())?;
    let begun = Instant::now();
    let batch = sample::Batch::new(1, &sample::session_id(1), (2, executions.div_ceil(2), 1));
    let session = Change::OpenSession(sample::session(1));
    store.commit(sample::unit([session, batch.create()]))?;
    let created_s = begun.elapsed().as_secs_f64();

    let mut ids: Vec<_> = batch.ids().take(executions as usize).cloned().collect();
    // Cases come in a shuffle, so that consecutive units touch distant rows, as in real batches.
    ids.sort_unstable();
    let id = &batch.record.id;
    let begun = Instant::now();
    thread::scope(|scope| {
        let share = ids.len().div_ceil(threads);
        let writers: Vec<_> = ids
            .chunks(share)
            .map(|ids| scope.spawn(|| write(&store, id, ids, tickets.div_ceil(threads))))
            .collect();
        let ended =
            writers.into_iter().map(|writer| writer.join().unwrap_or(Err(StoreError::Closed)));
        ended.collect::<Result<(), _>>()
    })?;
    let written_s = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let filter = ExecutionFilter { batch: Some(id.clone()), ..ExecutionFilter::default() };
    let read = store.executions(&filter, Page::ALL)?.len();
    let report = serde_json::json!({
        "executions": executions,
        "threads": threads,
        "tickets": tickets,
        "create_s": created_s,
        "units_per_s": 2.0 * f64::from(executions) / written_s,
        "succeeded": store.batch(id)?.counts.succeeded,
        "read_all_s": begun.elapsed().as_secs_f64(),
        "read": read,
    });
    store.close()?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Starts and ends one attempt of each execution.
fn write(
    store: &PostgresStore,
    batch: &BatchId,
    ids: &[ExecutionId],
    outstanding: usize,
) -> Result<(), StoreError> {
    let mut tickets = VecDeque::with_capacity(outstanding);
    for id in ids {
        for unit in [start(batch, id), finish(batch, id)] {
            if tickets.len() >= outstanding
                && let Some(oldest) = tickets.pop_front()
            {
                Ticket::wait(oldest)?;
            }
            tickets.push_back(store.submit(unit)?);
        }
    }
    tickets.into_iter().try_for_each(|ticket| ticket.wait().map(drop))
}

fn start(batch: &BatchId, execution: &ExecutionId) -> UnitOfWork {
    let body = EventBody::ExecutionStarted {
        attempt: 1,
        worker: "thread-1".to_owned(),
        variant: "retriever=0".to_owned(),
        case: "case-1".to_owned(),
        repeat: 0,
    };
    let event = sample::event(Some(batch), Some(execution), body);
    UnitOfWork::new(sample::start(execution, 1, 1), event)
}

fn finish(batch: &BatchId, execution: &ExecutionId) -> UnitOfWork {
    let ended = EventBody::ExecutionSucceeded {
        attempt: 1,
        duration_us: 1_234,
        nodes: 3,
        metrics: BTreeMap::new(),
    };
    let by_metric = BTreeMap::from([("exact_match".to_owned(), Some(1.0))]);
    let scored = EventBody::ExecutionScored { scores: by_metric, errors: BTreeMap::new() };
    UnitOfWork {
        changes: vec![sample::succeed(execution)],
        events: [ended, scored]
            .map(|body| sample::event(Some(batch), Some(execution), body))
            .to_vec(),
    }
}
