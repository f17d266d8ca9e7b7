//! Measures the hot path of the SQLite store: executions per second, start and end of each
//! attempt with three node records and three events, submitted by one thread.
//!
//! ```console
//! cargo run --release -p wtb-store --example write_throughput -- 20000 [DIRECTORY]
//! ```
//!
//! Prints one line of JSON. The directory decides which disk is measured; by default it is a
//! temporary one.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use wtb_model::{BatchId, EventBody, ExecutionId};
use wtb_store::conformance::sample;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{
    BatchFilter, Change, ExecutionFilter, Page, Store, StoreError, Ticket, UnitOfWork,
};

/// How many tickets are outstanding before the oldest is redeemed, as an engine would.
const TICKETS_MAX: usize = 2_048;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments.next().map_or(temporary.path().to_owned(), PathBuf::from);
    let path = directory.join(format!("throughput-{}.db", std::process::id()));

    let store = SqliteStore::open(&path.display().to_string(), SqliteOptions::default())?;
    let begun = Instant::now();
    let (batch, ids) = create(&store, executions)?;
    let created_s = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    write(&store, &batch, &ids)?;
    let written_s = begun.elapsed().as_secs_f64();
    store.close()?;

    let begun = Instant::now();
    let store = SqliteStore::open(&path.display().to_string(), SqliteOptions::default())?;
    let counted = store.batches(&BatchFilter::default(), Page::first(50))?;
    let listed_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let filter = ExecutionFilter { batch: Some(batch), ..ExecutionFilter::default() };
    let read = store.executions(&filter, Page::ALL)?.len();
    let read_s = begun.elapsed().as_secs_f64();

    let report = serde_json::json!({
        "executions": executions,
        "create_s": created_s,
        "write_s": written_s,
        "executions_per_s": f64::from(executions) / written_s,
        "open_and_list_s": listed_s,
        "succeeded": counted.first().map(|summary| summary.counts.succeeded),
        "read_all_s": read_s,
        "read": read,
        "file_bytes": std::fs::metadata(&path)?.len(),
        "memory_peak_kb": memory_peak_kb(),
    });
    store.close()?;
    std::fs::remove_file(&path)?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Writes a batch of so many cells, all queued, and returns its id and theirs.
fn create(
    store: &SqliteStore,
    executions: u32,
) -> Result<(BatchId, Vec<ExecutionId>), Box<dyn Error>> {
    let batch = sample::Batch::new(1, &sample::session_id(1), (2, executions.div_ceil(2), 1));
    let session = Change::OpenSession(sample::session(1));
    store.commit(sample::unit([session, batch.create()]))?;
    let mut ids: Vec<_> = batch.ids().take(executions as usize).cloned().collect();
    // Cases come in a shuffle, so that consecutive units touch distant rows, as in real batches.
    ids.sort_unstable();
    Ok((batch.record.id, ids))
}

/// Starts and ends one attempt of each execution.
fn write(store: &SqliteStore, batch: &BatchId, ids: &[ExecutionId]) -> Result<(), StoreError> {
    let mut tickets = VecDeque::with_capacity(TICKETS_MAX);
    for id in ids {
        for unit in [start(batch, id), finish(batch, id)] {
            if tickets.len() == TICKETS_MAX
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
    let event = sample::event(Some(batch), Some(execution), sample::started());
    UnitOfWork::new(sample::start(execution, 1, 1), event)
}

fn finish(batch: &BatchId, execution: &ExecutionId) -> UnitOfWork {
    let by_metric = BTreeMap::from([("exact_match".to_owned(), Some(1.0))]);
    let scored = EventBody::ExecutionScored { scores: by_metric, errors: BTreeMap::new() };
    UnitOfWork {
        changes: vec![sample::succeed(execution)],
        events: [sample::succeeded(), scored]
            .map(|body| sample::event(Some(batch), Some(execution), body))
            .to_vec(),
    }
}

/// The most memory that the process ever held, where the kernel tells.
fn memory_peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
