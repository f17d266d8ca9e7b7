//! The trait that every store implements, and what its reads take and give.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wtb_model::{
    AttemptRecord, AttemptStatus, BatchId, BatchRecord, CaseRecord, ExecutionId, ExecutionRecord,
    ExecutionStatus, JournalEntry, NodeRecord, ScoreRecord, SessionId, SessionRecord, StatusCounts,
    StoredValue, Timestamp, Value, VariantRecord,
};

use crate::{Checkpoints, Objects, Receipt, StoreError, Ticket, UnitOfWork};

/// Which part of a listing to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows to pass over.
    pub offset: u64,
    /// How many rows to return at the most.
    pub limit: u64,
}

impl Page {
    /// Everything.
    pub const ALL: Self = Self { offset: 0, limit: i64::MAX as u64 };

    /// The first rows.
    pub const fn first(limit: u64) -> Self {
        Self { offset: 0, limit }
    }
}

/// Which batches to list. Every condition that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchFilter {
    /// Of this workflow.
    pub workflow: Option<String>,
    /// In this state.
    pub status: Option<wtb_model::BatchStatus>,
    /// Whose name contains this, without regard to case.
    pub name_contains: Option<String>,
}

/// Which executions to list. Every condition that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecutionFilter {
    /// Of this batch, as it keeps them. Without it, what a cell went on to by itself is listed in place
    /// of the cell.
    pub batch: Option<BatchId>,
    /// That belong to no batch.
    pub single: bool,
    /// In one of these states; empty means any.
    pub statuses: Vec<ExecutionStatus>,
    /// Of this variant.
    pub variant: Option<String>,
    /// Of this case.
    pub case_id: Option<String>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// On the dead-letter list.
    pub dead_letter: bool,
    /// Ended, but not yet scored.
    pub unsettled: bool,
}

/// Which journal entries to read. Every condition that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalFilter {
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Of one of these kinds; `execution.*` stands for all that begin so; empty means any.
    pub kinds: Vec<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// A batch and how many of its executions stand where.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSummary {
    /// The batch.
    pub batch: BatchRecord,
    /// How many executions stand where.
    pub counts: StatusCounts,
}

/// What belongs to an execution beside its own row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExecutionDetail {
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRecord>,
    /// The nodes of all its attempts, in the order of attempt and start.
    pub nodes: Vec<NodeRecord>,
    /// Its scores by source, and within a source as they were given.
    pub scores: Vec<ScoreRecord>,
}

impl ExecutionDetail {
    /// Returns the last attempt that has ended: the one whose output is the execution's.
    pub fn last_ended(&self) -> Option<&AttemptRecord> {
        self.attempts.iter().rfind(|attempt| attempt.status != AttemptStatus::Running)
    }
}

/// A durable store. All methods may be called from any thread.
///
/// Writing: [`Store::submit`] queues a unit and returns at once (it waits only while the bounded
/// queue is full, which is the store's backpressure); units commit in the order of their
/// submission, many in one transaction, each atomic on its own: a unit that is refused leaves the
/// others alone. Reading sees everything whose ticket was redeemed.
pub trait Store: Checkpoints + Objects {
    /// Returns the address that it was opened from, without secrets.
    fn url(&self) -> &str;

    /// Returns the file that it is, if it is one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Has the bytes of large objects put into files of a directory from now on, which other machines have
    /// under the same path; it is made where there is none. What is stored already stays where it is. The
    /// store remembers it: whoever opens it finds the directory.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if it cannot be used, or the store has another one.
    fn keep_objects_in(&self, directory: &Path) -> Result<(), StoreError>;

    /// Returns the directory with the bytes of large objects, if the store has one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if it is not on this machine.
    fn object_directory(&self) -> Result<Option<PathBuf>, StoreError>;

    /// Queues a unit of work.
    fn submit(&self, unit: UnitOfWork) -> Result<Ticket, StoreError>;

    /// Whether [`Store::submit`] would wait for room at the moment.
    fn is_full(&self) -> bool;

    /// Queues a unit of work and waits until it is durable.
    fn commit(&self, unit: UnitOfWork) -> Result<Receipt, StoreError> {
        self.submit(unit)?.wait()
    }

    /// Waits until everything that was submitted before is durable or refused.
    fn flush(&self) -> Result<(), StoreError>;

    /// Takes a value for storing: small ones stay inline, large ones go to the objects at once (an
    /// object that no row names later is harmless: it is stored once and collected).
    fn put_value(&self, value: Value) -> Result<StoredValue, StoreError>;

    /// Returns a stored value, its bytes checked against their hash.
    fn value(&self, stored: &StoredValue) -> Result<Value, StoreError>;

    /// Returns a batch with its counts.
    fn batch(&self, id: &BatchId) -> Result<BatchSummary, StoreError>;

    /// Lists batches, newest first.
    fn batches(&self, filter: &BatchFilter, page: Page) -> Result<Vec<BatchSummary>, StoreError>;

    /// Returns the id that `text` names: a whole id, a unique prefix (with or without `b_`), or
    /// `latest`.
    fn find_batch(&self, text: &str) -> Result<BatchId, StoreError>;

    /// Returns a batch's variants, in order.
    fn variants(&self, batch: &BatchId) -> Result<Vec<VariantRecord>, StoreError>;

    /// Returns a batch's cases, in order.
    fn cases(&self, batch: &BatchId) -> Result<Vec<CaseRecord>, StoreError>;

    /// Returns an execution.
    fn execution(&self, id: &ExecutionId) -> Result<ExecutionRecord, StoreError>;

    /// Lists executions: those of one batch by variant, case and repeat; others newest first.
    fn executions(
        &self,
        filter: &ExecutionFilter,
        page: Page,
    ) -> Result<Vec<ExecutionRecord>, StoreError>;

    /// Returns the id that `text` names: a whole id, a unique prefix (with or without `e_`), or
    /// `latest`. Of a cell that goes on by itself that is [`ExecutionId::continuation`].
    fn find_execution(&self, text: &str) -> Result<ExecutionId, StoreError>;

    /// Returns attempts, nodes and scores of an execution. Attempts and nodes of a continuation begin
    /// with those of its cell; scores are its own.
    fn detail(&self, id: &ExecutionId) -> Result<ExecutionDetail, StoreError>;

    /// Returns all scores of a batch, each with its execution: in the order of its results, by source,
    /// and within a source as they were given.
    fn scores(&self, batch: &BatchId) -> Result<Vec<(ExecutionId, ScoreRecord)>, StoreError>;

    /// Returns a session.
    fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError>;

    /// How long ago a session last said that it lives. A store that several machines share tells it
    /// by a clock of its own: theirs may differ.
    fn silence(&self, id: &SessionId) -> Result<Duration, StoreError>;

    /// Lists sessions that have not ended, oldest first.
    fn open_sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;

    /// Reads the journal after a sequence number, oldest first, at most `limit` entries.
    fn journal(
        &self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, StoreError>;

    /// Returns the journal's last sequence number.
    fn last_sequence(&self) -> Result<u64, StoreError>;

    /// Waits until this store has journaled something after `after` or the timeout is over, and
    /// returns the last sequence number that it knows. Units of other processes are noticed by
    /// reading the journal, not here.
    fn wait_journal(&self, after: u64, timeout: Duration) -> u64;

    /// Ends the writer after everything queued is durable. Later writes are refused.
    fn close(&self) -> Result<(), StoreError>;
}
