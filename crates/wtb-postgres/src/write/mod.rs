//! What a group of units means in rows: locked and read, changed in memory, written.
//!
//! Each file beside this one has the rows of one topic: how they are loaded under their locks, what
//! the changes do to them, and how they are written. A change checks first and changes then; a
//! unit that is refused leaves the rows in memory as they were. The order of `load` is that of the
//! locks (see the crate's documentation), that of `flush` the one that foreign keys want.

mod attempts;
mod batch_rows;
mod batches;
mod checkpoint_rows;
mod checkpoints;
mod counts;
mod creation;
mod details;
mod execution_rows;
mod executions;
mod journal;
mod objects;
mod owners;
mod parents;
mod placing;
mod quick;
mod quick_plan;
mod sessions;
mod staged;
mod threads;
mod wanted;

use std::collections::BTreeSet;

use wtb_store::writer::{Job, Stored, no_object};
use wtb_store::{Change, Hash, Receipt, StoreError, UnitOfWork};

use self::attempts::Attempts;
use self::batches::Batches;
use self::checkpoints::Checkpoints;
use self::details::Details;
use self::executions::Executions;
use self::journal::Events;
pub(crate) use self::journal::Mark;
use self::objects::{Absent, Lacking};
pub(crate) use self::quick::{Memory, Quick};
use self::sessions::Sessions;
pub(crate) use self::threads::is_sweeping;
use self::wanted::Wanted;
use crate::connection::Connection;
use crate::errors::Failure;
use crate::locks::{Locks, slot};

/// The rows that a group concerns.
struct Group<'group> {
    sessions: Sessions<'group>,
    batches: Batches<'group>,
    executions: Executions<'group>,
    attempts: Attempts<'group>,
    details: Details<'group>,
    objects: Absent<'group>,
    checkpoints: Checkpoints<'group>,
    events: Events<'group>,
}

/// What became of a group, once its transaction is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// What became of each job, in order.
    pub(crate) results: Vec<Result<Receipt, StoreError>>,
    /// The journal's last number, if it is known.
    pub(crate) sequence: Option<u64>,
    /// Objects that units named but that are not there.
    pub(crate) missing: Vec<Hash>,
    /// Whether the only unit was refused after it had written something: the transaction has to be
    /// undone.
    pub(crate) undo: bool,
}

/// Returns the locks of the threads that jobs name.
pub(crate) fn threads_of(jobs: &[Job]) -> BTreeSet<i64> {
    let mut slots = BTreeSet::new();
    for change in changes_of(jobs) {
        let of_execution;
        let names = match change {
            Change::PutCheckpoint { checkpoint, .. } => [Some(&checkpoint.name.thread), None],
            Change::PutWrites { writes, .. } => [Some(&writes.checkpoint.thread), None],
            Change::ExpectHead { execution, lineages, checkpoint: Some(_) } => {
                of_execution = execution.thread(*lineages);
                [Some(&of_execution), None]
            }
            Change::DeleteThread { thread } | Change::PruneThread { thread } => {
                [Some(thread), None]
            }
            Change::CopyThread { source, target, .. } => [Some(source), Some(target)],
            _ => [None, None],
        };
        slots.extend(names.into_iter().flatten().map(|thread| slot(thread)));
    }
    slots
}

fn changes_of(jobs: &[Job]) -> impl Iterator<Item = &Change> {
    let units = jobs.iter().filter_map(|job| match job {
        Job::Unit(unit, _) => Some(unit),
        Job::Object(_) | Job::Flush(_) => None,
    });
    units.flat_map(|unit| &unit.changes)
}

/// Writes a group in the transaction that was begun; committing is left to the caller.
pub(crate) fn write(
    connection: &mut Connection,
    jobs: &[Job],
    memory: &mut Memory,
    mark: &Mark,
) -> Result<Outcome, Failure> {
    let Memory { stored, parents, .. } = memory;
    let lacking = objects::put(connection, jobs, stored)?;
    let mut group = Group::load(connection, &Wanted::of(changes_of(jobs)), &lacking, stored)?;
    let results: Vec<_> = jobs
        .iter()
        .map(|job| match job {
            Job::Unit(unit, _) => group.apply_whole(unit),
            Job::Object(object) => match lacking.get(&object.hash) {
                Some(missing) => Err(no_object(missing)),
                None => Ok(0),
            },
            Job::Flush(_) => Ok(0),
        })
        .collect();
    let dropped = group.flush(connection)?;
    threads::count_dropped(connection, dropped)?;
    group.checkpoints.remember(parents);
    let first = group.events.flush(connection, mark)?;
    let receipt = |events: u64| Receipt { sequence: first + events };
    Ok(Outcome {
        results: results.into_iter().map(|result| result.map(receipt)).collect(),
        sequence: Some(first + group.events.len()),
        missing: group.objects.into_missed().into_iter().chain(lacking.into_values()).collect(),
        undo: false,
    })
}

/// Writes a unit that has changes of whole threads, or asks for one, change by change.
pub(crate) fn write_stepwise(
    connection: &mut Connection,
    job: &Job,
    memory: &mut Memory,
    locks: Locks,
    mark: &Mark,
) -> Result<Outcome, Failure> {
    let Job::Unit(unit, _) = job else {
        return write(connection, std::slice::from_ref(job), memory, mark);
    };
    let stored = &mut memory.stored;
    let lacking = objects::put(connection, std::slice::from_ref(job), stored)?;
    let mut dropped = 0;
    for change in &unit.changes {
        if threads::changes_threads(change) {
            dropped += threads::sweep(connection, locks, change)?;
            continue;
        }
        let wanted = Wanted::of([change].into_iter());
        let mut group = Group::load(connection, &wanted, &lacking, stored)?;
        if let Err(refusal) = group.apply_change(change) {
            return Ok(Outcome::refused(refusal, group.objects.into_missed()));
        }
        dropped += group.flush(connection)?;
    }
    threads::count_dropped(connection, dropped)?;
    let mut events = Events::default();
    for event in &unit.events {
        if let Err(refusal) = events.add(event) {
            return Ok(Outcome::refused(refusal, Vec::new()));
        }
    }
    events.settle(true);
    let sequence = events.flush(connection, mark)? + events.len();
    let results = vec![Ok(Receipt { sequence })];
    Ok(Outcome { results, sequence: Some(sequence), ..Outcome::default() })
}

impl Outcome {
    fn refused(refusal: StoreError, missing: Vec<Hash>) -> Self {
        Self { results: vec![Err(refusal)], sequence: None, missing, undo: true }
    }
}

impl<'group> Group<'group> {
    /// Locks and reads what units name.
    fn load(
        connection: &mut Connection,
        wanted: &Wanted<'group>,
        lacking: &Lacking,
        stored: &'group mut Stored,
    ) -> Result<Self, Failure> {
        let batches = Batches::load(connection, wanted)?;
        let sessions = Sessions::load(connection, wanted, batches.owners())?;
        let executions = Executions::load(connection, wanted, batches.claimed())?;
        let attempts = Attempts::load(connection, executions.attempted())?;
        let objects = Absent::load(connection, wanted, lacking, stored)?;
        let checkpoints = Checkpoints::load(connection, wanted)?;
        let (details, events) = (Details::default(), Events::default());
        Ok(Self { sessions, batches, executions, attempts, details, objects, checkpoints, events })
    }

    /// Applies a unit, and returns how many events there are then; or refuses it and leaves
    /// everything as it was.
    fn apply_whole(&mut self, unit: &'group UnitOfWork) -> Result<u64, StoreError> {
        let applied = self.apply(unit);
        let kept = applied.is_ok();
        self.sessions.settle(kept);
        self.batches.settle(kept);
        self.executions.settle(kept);
        self.attempts.settle(kept);
        self.details.settle(kept);
        self.checkpoints.settle(kept);
        self.events.settle(kept);
        applied.map(|()| self.events.len())
    }

    fn apply(&mut self, unit: &'group UnitOfWork) -> Result<(), StoreError> {
        for change in &unit.changes {
            self.apply_change(change)?;
        }
        unit.events.iter().try_for_each(|event| self.events.add(event))
    }

    fn apply_change(&mut self, change: &'group Change) -> Result<(), StoreError> {
        match change {
            Change::OpenSession(session) => self.sessions.open(session),
            Change::Heartbeat { session, at } => self.sessions.beat(session, *at),
            Change::CloseSession { session, at } => self.sessions.close(session, *at),
            Change::CreateBatch { batch, variants, cases, executions } => {
                self.create_batch(batch, variants, cases, executions)
            }
            Change::ExtendBatch { batch, spec, variants, cases, executions } => {
                self.extend_batch(batch, spec, variants, cases, executions)
            }
            Change::CreateExecution(execution) => self.create_execution(execution),
            Change::ExpectState { execution, status, token, finished_at } => {
                self.executions.expect_state(execution, *status, *token, *finished_at)
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
            Change::SetBatchSpec { batch, spec } => self.batches.set_spec(batch, spec).map(drop),
            Change::StartAttempt(start) => self.start_attempt(start),
            Change::RevokeLease { lease } => {
                self.executions.revoke_lease(&lease.execution, lease.token).map(drop)
            }
            Change::PutWorkspace { attempt, lease, workspace } => {
                self.put_workspace(*attempt, lease, workspace)
            }
            Change::FinishAttempt { .. } => self.finish_attempt(change),
            Change::FinishExecution { execution, status, at } => {
                self.executions.finish_idle(execution, *status, *at)
            }
            Change::RequeueExecution { execution, from_head } => {
                self.requeue_execution(execution, *from_head)
            }
            Change::PlaceExecution { execution, lineages, at } => {
                self.place_execution(execution, *lineages, *at)
            }
            Change::PutScores { execution, scores } => self.put_scores(execution, scores),
            Change::PutCheckpoint { checkpoint, lease } => {
                self.put_checkpoint(checkpoint, lease.as_ref())
            }
            Change::PutWrites { writes, lease } => self.put_writes(writes, lease.as_ref()),
            // Units with these are written change by change, and these not here.
            Change::ExpectHead { .. }
            | Change::DeleteThread { .. }
            | Change::DeleteRun { .. }
            | Change::CopyThread { .. }
            | Change::PruneThread { .. } => Ok(()),
        }
    }

    /// Writes what the units have changed, all but the journal, and returns how many rows are gone
    /// that may have named objects.
    fn flush(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let removed = self.executions.removed();
        let dropped = placing::remove(connection, &removed)?;
        self.checkpoints.flush_objects(connection, self.objects.stored())?;
        self.sessions.flush(connection)?;
        self.batches.flush(connection)?;
        self.executions.flush(connection)?;
        self.attempts.flush(connection, &removed)?;
        self.details.flush(connection, &removed)?;
        self.checkpoints.flush(connection)?;
        counts::flush(connection, self.executions.count_changes())?;
        Ok(dropped)
    }
}

/// The error of a row that is there already.
fn taken(doing: &str, what: &str) -> StoreError {
    StoreError::Backend { doing: doing.to_owned(), reason: format!("{what} is there already") }
}
