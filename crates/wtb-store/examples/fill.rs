//! Makes a store that holds many executions, for measuring how long reading takes.
//!
//! ```console
//! cargo run --release -p wtb-store --example fill -- PATH EXECUTIONS BATCHES
//! ```
//!
//! Every batch has two variants and has ended; every execution has three node records, a score and
//! its journal events. Nothing is run. Prints one line of JSON.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Write as _;

use wtb_model::{BatchId, BatchStatus, EventBody, ExecutionId, SessionId};
use wtb_store::conformance::sample;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Change, Store, StoreError, Ticket, UnitOfWork};

/// How many tickets are outstanding before the oldest is redeemed.
const TICKETS_MAX: usize = 2_048;
const VARIANTS: u32 = 2;
/// How long after the one before it a batch is created, in microseconds.
const BATCH_EVERY_US: i64 = 60_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, executions, batches] = arguments.as_slice() else {
        return Err("expected PATH EXECUTIONS BATCHES".into());
    };
    let (executions, batches): (u32, u32) = (executions.parse()?, batches.parse()?);
    let cases = executions / batches / VARIANTS;

    let store = SqliteStore::open(path, SqliteOptions::default())?;
    let session = sample::session_id(1);
    store.commit(sample::unit([Change::OpenSession(sample::session(1))]))?;
    let mut desk = Desk { store: &store, tickets: VecDeque::with_capacity(TICKETS_MAX) };
    for number in 1..=u64::from(batches) {
        fill(&mut desk, &session, number, cases)?;
    }
    desk.clear()?;
    let at = sample::moment(0);
    store.commit(sample::unit([Change::CloseSession { session, at }]))?;
    store.close()?;
    let report = serde_json::json!({
        "executions": batches * cases * VARIANTS,
        "batches": batches,
        "file_bytes": std::fs::metadata(path)?.len(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// A store, and the units that are under way to its disk.
struct Desk<'a> {
    store: &'a SqliteStore,
    tickets: VecDeque<Ticket>,
}

impl Desk<'_> {
    fn submit(&mut self, unit: UnitOfWork) -> Result<(), StoreError> {
        if self.tickets.len() == TICKETS_MAX
            && let Some(oldest) = self.tickets.pop_front()
        {
            oldest.wait()?;
        }
        self.tickets.push_back(self.store.submit(unit)?);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.tickets.drain(..).try_for_each(|ticket| ticket.wait().map(drop))
    }
}

/// Writes one batch from its creation to its end.
fn fill(
    desk: &mut Desk<'_>,
    session: &SessionId,
    number: u64,
    cases: u32,
) -> Result<(), Box<dyn Error>> {
    let mut batch = sample::Batch::new(number, session, (VARIANTS, cases, 1));
    let at = sample::moment(i64::try_from(number)? * BATCH_EVERY_US);
    batch.record.created_at = at;
    let id = batch.record.id.clone();
    let status = |status| {
        let (batch, session) = (id.clone(), session.clone());
        sample::unit([Change::SetBatchStatus { batch, session, status, at }])
    };
    desk.submit(sample::unit([batch.create()]))?;
    desk.submit(status(BatchStatus::Running))?;
    for execution in batch.ids() {
        desk.submit(start(&id, execution))?;
        desk.submit(finish(&id, execution))?;
    }
    desk.submit(status(BatchStatus::Completed))?;
    Ok(())
}

fn start(batch: &BatchId, execution: &ExecutionId) -> UnitOfWork {
    let event = sample::event(Some(batch), Some(execution), sample::started());
    UnitOfWork::new(sample::start(execution, 1, 1), event)
}

fn finish(batch: &BatchId, execution: &ExecutionId) -> UnitOfWork {
    let judged = EventBody::ExecutionScored {
        scores: BTreeMap::from([("exact_match".to_owned(), Some(1.0))]),
        errors: BTreeMap::new(),
    };
    let kept = Change::PutScores {
        execution: execution.clone(),
        scores: vec![sample::score("exact_match", "exact_match", 1.0)],
    };
    UnitOfWork {
        changes: vec![sample::succeed(execution), kept],
        events: [sample::succeeded(), judged]
            .map(|body| sample::event(Some(batch), Some(execution), body))
            .to_vec(),
    }
}
