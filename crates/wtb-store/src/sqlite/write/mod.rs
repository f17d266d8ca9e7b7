//! What a transaction of the writer does: units applied one by one, each whole or not at all.
//!
//! Each file beside this one applies the changes of one topic. They check first and write then, so
//! that nearly every refusal comes before the unit has written anything and there is nothing to
//! undo. Where a later change of a unit is refused, the writer undoes the transaction and applies
//! its units again, each in a savepoint: a savepoint around every unit costs a fifth of the time.

mod attempts;
mod batches;
mod checkpoints;
mod counts;
mod details;
mod executions;
mod journal;
mod objects;
mod sessions;
mod threads;

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension as _};
use wtb_model::BatchId;

use self::counts::CountChanges;
use super::errors::{While, concerns_the_database};
use crate::writer::Stored;
use crate::{Change, Hash, Receipt, StoreError, UnitOfWork};

pub(super) use self::objects::Named;

/// How units are kept apart within a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// They are not: good as long as no unit is refused after it has written something.
    Bare,
    /// Each in a savepoint.
    Savepoints,
}

/// Why a transaction must be undone.
#[derive(Debug)]
pub(super) enum Undo {
    /// A unit was refused after it had written something: apply all again, in savepoints.
    Again,
    /// The database failed.
    Failed(StoreError),
}

impl From<StoreError> for Undo {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// One open transaction of the writer.
pub(super) struct Transaction<'writer> {
    connection: &'writer Connection,
    isolation: Isolation,
    /// Whether the unit under way has written something.
    has_written: Cell<bool>,
    /// Objects that are certainly in the database, this transaction's own among them.
    stored: &'writer mut Stored,
    /// Objects that the unit under way has written.
    written_by_unit: Vec<Hash>,
    /// Objects that units named but that are not there.
    missing: Vec<Hash>,
    counts: CountChanges,
    sequence: u64,
}

impl<'writer> Transaction<'writer> {
    /// Begins to write on a connection that has just begun a transaction; the journal has got to
    /// `sequence`.
    pub(super) fn new(
        connection: &'writer Connection,
        isolation: Isolation,
        stored: &'writer mut Stored,
        sequence: u64,
    ) -> Self {
        Self {
            connection,
            isolation,
            has_written: Cell::new(false),
            stored,
            written_by_unit: Vec::new(),
            missing: Vec::new(),
            counts: CountChanges::default(),
            sequence,
        }
    }

    /// Applies a unit. The inner result is the unit's own.
    pub(super) fn write_unit(
        &mut self,
        unit: &UnitOfWork,
    ) -> Result<Result<Receipt, StoreError>, Undo> {
        let sequence = self.sequence;
        self.in_savepoints("SAVEPOINT unit")?;
        self.has_written.set(false);
        self.written_by_unit.clear();
        match self.apply(unit) {
            Ok(()) => {
                self.in_savepoints("RELEASE unit")?;
                self.counts.keep_unit();
                Ok(Ok(Receipt { sequence: self.sequence }))
            }
            Err(error) if concerns_the_database(&error) || self.connection.is_autocommit() => {
                Err(Undo::Failed(error))
            }
            Err(_) if self.isolation == Isolation::Bare && self.has_written.get() => {
                Err(Undo::Again)
            }
            Err(refusal) => {
                self.in_savepoints("ROLLBACK TO unit")?;
                self.in_savepoints("RELEASE unit")?;
                self.counts.drop_unit();
                self.stored.forget(&self.written_by_unit);
                self.sequence = sequence;
                Ok(Err(refusal))
            }
        }
    }

    /// Writes what was gathered over all units, and returns the journal's last sequence number and
    /// the objects that were named but are not there.
    pub(super) fn finish(mut self) -> Result<(u64, Vec<Hash>), StoreError> {
        self.counts.write(self.connection)?;
        Ok((self.sequence, self.missing))
    }

    fn apply(&mut self, unit: &UnitOfWork) -> Result<(), StoreError> {
        for change in &unit.changes {
            self.apply_change(change)?;
        }
        unit.events.iter().try_for_each(|event| self.write_event(event))
    }

    fn apply_change(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::OpenSession(session) => self.open_session(session),
            Change::Heartbeat { session, at } => self.heartbeat(session, *at),
            Change::CloseSession { session, at } => self.close_session(session, *at),
            Change::CreateBatch { batch, variants, cases, executions } => {
                self.create_batch(batch, variants, cases, executions)
            }
            Change::ExtendBatch { batch, spec, variants, cases, executions } => {
                self.extend_batch(batch, spec, variants, cases, executions)
            }
            Change::CreateExecution(execution) => self.create_execution(execution),
            Change::ExpectHead { execution, lineages, checkpoint } => {
                self.expect_head(execution, *lineages, checkpoint.as_deref())
            }
            Change::ExpectState { execution, status, token, finished_at } => {
                self.expect_state(execution, *status, *token, *finished_at)
            }
            Change::ClaimBatch { batch, session, from, at } => {
                self.claim_batch(batch, session, from.as_ref(), *at)
            }
            Change::ReleaseBatch { batch, session } => self.release_batch(batch, session),
            Change::SetBatchStatus { batch, session, status, at } => {
                self.set_batch_status(batch, session, *status, *at)
            }
            Change::GiveInputs { batch, session, inputs } => {
                self.give_inputs(batch, session, inputs)
            }
            Change::StartAttempt(start) => self.start_attempt(start),
            Change::RevokeLease { lease } => self.revoke_lease(&lease.execution, lease.token),
            Change::PutWorkspace { attempt, lease, workspace } => {
                self.put_workspace(*attempt, lease, workspace)
            }
            Change::FinishAttempt { .. } => self.finish_attempt(change),
            Change::FinishExecution { execution, status, at } => {
                self.finish_execution(execution, *status, *at)
            }
            Change::RequeueExecution { execution, from_head } => {
                self.requeue_execution(execution, *from_head)
            }
            Change::PlaceExecution { execution, lineages, at } => {
                self.place_execution(execution, *lineages, *at)
            }
            Change::PutScores { execution, scores } => self.put_scores(execution, scores),
            Change::SetBatchSpec { batch, spec } => self.set_batch_spec(batch, spec),
            Change::PutCheckpoint { checkpoint, lease } => {
                self.put_checkpoint(checkpoint, lease.as_ref())
            }
            Change::PutWrites { writes, lease } => self.put_writes(writes, lease.as_ref()),
            Change::DeleteThread { thread } => self.delete_thread(thread),
            Change::DeleteRun { run } => self.delete_run(run),
            Change::CopyThread { source, target, up_to } => {
                self.copy_thread(source, target, up_to.as_deref())
            }
            Change::PruneThread { thread } => self.prune_thread(thread),
        }
    }

    /// Runs a statement about the savepoint of a unit, where units have one.
    fn in_savepoints(&self, sql: &str) -> Result<(), StoreError> {
        if self.isolation == Isolation::Bare {
            return Ok(());
        }
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .while_("keeping units apart")
    }

    /// Runs a statement and returns how many rows it changed.
    fn change(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        doing: &str,
    ) -> Result<usize, StoreError> {
        self.has_written.set(true);
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .while_(doing)
    }

    /// Returns the integer key of a batch.
    fn batch_key(&self, id: &BatchId) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("SELECT key FROM batches WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([id.as_str()], |row| row.get(0)).optional()
            })
            .while_("looking an id up")?
            .ok_or_else(|| StoreError::NotFound { what: "batch", id: id.to_string() })
    }
}

/// Returns the journal's last sequence number.
pub(super) fn last_sequence(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT COALESCE(MAX(sequence), 0) FROM journal")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .while_("reading the journal's end")
}
