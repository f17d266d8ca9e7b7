//! Stores with known batches in them, written change by change as the engine does.

use std::path::Path;
use std::sync::Arc;

use wtb_model::{
    AttemptStatus, BatchStatus, Event, EventBody, ExecutionId, ExecutionRecord, ExecutionStatus,
};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{AttemptStart, Change, Store, UnitOfWork};

use crate::records::{self, at, batch_id, execution_id, session_id};

/// A store in `directory/.wtb`, and the session that writes it.
pub(crate) struct Writer {
    pub(crate) store: Arc<SqliteStore>,
}

impl Writer {
    /// Creates the store.
    pub(crate) fn create(directory: &Path) -> Self {
        let folder = directory.join(".wtb");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("wtb.db");
        let store = SqliteStore::open(path.to_str().unwrap(), SqliteOptions::default()).unwrap();
        let writer = Self { store: Arc::new(store) };
        writer.change(Change::OpenSession(records::dead_session()));
        writer
    }

    fn change(&self, change: Change) {
        self.store.commit(UnitOfWork::silent(change)).unwrap();
    }

    fn create_batch(&self, number: u8, name: &str, cases: &[&str]) {
        let executions = records::cells(number, cases);
        let created = records::batch(number, name);
        let body = EventBody::BatchCreated {
            workflow: created.workflow.clone(),
            variants: records::variants().len() as u64,
            cases: cases.len() as u64,
            repeats: 1,
            executions: executions.len() as u64,
        };
        let event = event(number, None, i64::from(number), body);
        let change = Change::CreateBatch {
            batch: Box::new(created),
            variants: records::variants(),
            cases: cases.iter().map(|id| records::case(id)).collect(),
            executions,
        };
        self.store.commit(UnitOfWork::new(change, event)).unwrap();
        self.set_status(number, BatchStatus::Running, 10);
    }

    fn set_status(&self, number: u8, status: BatchStatus, seconds: i64) {
        let (batch, session) = (batch_id(number), session_id());
        self.change(Change::SetBatchStatus { batch, session, status, at: at(seconds) });
    }

    /// Runs an attempt that gives an accuracy or fails; a failed one is the last, or retried.
    fn attempt(&self, number: u8, attempt: u32, outcome: Result<f64, &str>, is_last: bool) {
        let execution = execution_id(number);
        let token = u64::from(attempt);
        let worker = "thread-1".to_owned();
        let at_start = at(11);
        let session = session_id();
        let start =
            AttemptStart { session, execution, attempt, token, worker, lineages: 0, at: at_start };
        self.change(Change::StartAttempt(start));
        let (status, next) = match (outcome, is_last) {
            (Ok(_), _) => (AttemptStatus::Succeeded, ExecutionStatus::Succeeded),
            (Err(_), true) => (AttemptStatus::Failed, ExecutionStatus::Failed),
            (Err(_), false) => (AttemptStatus::Failed, ExecutionStatus::Queued),
        };
        let execution = execution_id(number);
        self.change(Change::FinishAttempt {
            execution: execution.clone(),
            attempt,
            token,
            status,
            next,
            dead_letter: next == ExecutionStatus::Failed,
            outcome: Box::new(records::outcome(attempt, outcome)),
            settled: true,
            handed_ahead: false,
            at: at(12),
        });
        if let (Err(message), true) = (outcome, is_last) {
            let body = EventBody::ExecutionFailed {
                attempt,
                node: Some("train".to_owned()),
                error: "ValueError".to_owned(),
                message: message.to_owned(),
                dead_letter: true,
            };
            let events = vec![event(number / 16, Some(execution), 12, body)];
            self.store.commit(UnitOfWork::of_events(events)).unwrap();
        }
    }
}

fn event(batch: u8, execution: Option<ExecutionId>, seconds: i64, body: EventBody) -> Event {
    Event { at: at(seconds), session: session_id(), batch: Some(batch_id(batch)), execution, body }
}

/// A finished batch of two variants and two cases, one execution failed in its second attempt.
pub(crate) fn finished(directory: &Path) -> Writer {
    let writer = Writer::create(directory);
    writer.create_batch(1, "ML Pipeline Comparison", &["wine-0", "digits-0"]);
    writer.attempt(16, 1, Ok(0.9), true);
    writer.attempt(17, 1, Ok(0.8), true);
    writer.attempt(18, 1, Ok(0.95), true);
    writer.attempt(19, 1, Err("bad split"), false);
    writer.attempt(19, 2, Err("bad split"), true);
    writer.set_status(1, BatchStatus::CompletedWithErrors, 22);
    writer
}

/// The finished batch, and a newer one whose driver is dead with one of its two cells left.
pub(crate) fn with_stopped(directory: &Path) -> Writer {
    let writer = finished(directory);
    writer.create_batch(2, "Half done", &["wine-0"]);
    writer.attempt(32, 1, Ok(0.9), true);
    writer
}

/// The finished batch, and a newer one that a program on another machine is driving right now.
pub(crate) fn with_driven(directory: &Path) -> Writer {
    let writer = with_stopped(directory);
    // The store judges a silence by its own clock.
    writer.change(Change::Heartbeat { session: session_id(), at: wtb_engine::now() });
    writer
}

/// The finished batch, whose failed execution was rolled back and so goes on by itself.
pub(crate) fn continued(directory: &Path, status: ExecutionStatus) -> Writer {
    let writer = finished(directory);
    let cell = writer.store.execution(&execution_id(19)).unwrap();
    let id = cell.id.continuation();
    writer.change(Change::CreateExecution(Box::new(ExecutionRecord {
        id,
        origin: cell.batch.clone(),
        batch: None,
        status,
        dead_letter: false,
        lineages: 2,
        from_head: true,
        ..cell
    })));
    writer
}
