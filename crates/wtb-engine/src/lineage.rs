//! Going back and going on: rollback, fork, resume. History is immutable: each opens a lineage that
//! shares what was before it, or goes on at the end of one.
//!
//! A cell of a batch keeps its result. What it goes on to is an execution beside it, which people know
//! by the same id: see [`ExecutionId::continuation`].

use std::sync::{Arc, PoisonError};

use wtb_model::{EventBody, ExecutionId, ExecutionRecord, ExecutionStatus, WorkspaceSpec};
use wtb_store::{Change, StoreError, UnitOfWork};

use crate::active::ActiveBatch;
use crate::clock::Clock;
use crate::takeover::prior;
use crate::{Engine, EngineError, entropy};

/// A place in the history of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which of its lineages, from 1.
    pub lineage: u32,
    /// A checkpoint of the root namespace.
    pub checkpoint: String,
}

/// An execution to be forked.
#[derive(Debug, Clone, PartialEq)]
pub struct ForkPlan {
    /// The execution to fork.
    pub source: ExecutionId,
    /// Where the fork begins.
    pub place: Place,
    /// Whether the fork stands exactly where its source stands, at a question for example; otherwise
    /// what ran on top of the checkpoint runs again.
    pub as_it_stands: bool,
    /// The id that [`Engine::prepare_fork`] returned for the same place, if the history of the fork is
    /// there already.
    pub prepared: Option<ExecutionId>,
    /// The workflow's name.
    pub workflow: String,
    /// The variant's name.
    pub variant: String,
    /// What the front end needs to run it in a later session. Opaque here.
    pub front: serde_json::Value,
}

/// An execution to be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePlan {
    /// The execution.
    pub execution: ExecutionId,
    /// How long the attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether a question of it is answered.
    pub answered: bool,
    /// Whether its state is updated.
    pub updated: bool,
    /// Where it has to stand, if that matters: it is refused when it has moved on.
    pub expected: Option<Place>,
    /// The files that it works on.
    pub workspace: WorkspaceSpec,
}

impl Engine {
    /// Makes an execution that begins where another one stands or stood. Its source stays as it is.
    /// It is paused, or awaits the same answer as its source if it stands where that stands.
    pub fn fork(&self, plan: ForkPlan) -> Result<ExecutionId, EngineError> {
        self.check_open()?;
        let source = self.store.execution(&plan.source)?;
        let expected = check_stands(&source, &plan.place, plan.as_it_stands)?;
        let is_prepared = plan.prepared.is_some();
        let id = plan.prepared.clone().map_or_else(entropy::execution_id, Ok)?;
        let copy = copy_to(&id, &source, &plan.place, plan.as_it_stands);
        let copy = Some(copy).filter(|_| !is_prepared);
        let event = EventBody::ExecutionForked {
            source: source.id.known().into(),
            checkpoint: plan.place.checkpoint.clone(),
            variant: plan.variant.clone(),
        };
        let event = self.event(None, Some(&id), event);
        let record = forked(source, id.clone(), plan);
        let created = Change::CreateExecution(Box::new(record));
        let changes = [Some(created), expected, copy].into_iter().flatten().collect();
        self.store.commit(UnitOfWork { changes, events: vec![event] })?;
        Ok(id)
    }

    /// Copies the history of a fork that is to be made, so that it can be added to before anybody sees
    /// the fork. Returns the id that the fork is to have: see [`ForkPlan::prepared`].
    pub fn prepare_fork(
        &self,
        source: &ExecutionId,
        place: &Place,
        as_it_stands: bool,
    ) -> Result<ExecutionId, EngineError> {
        self.check_open()?;
        let source = self.store.execution(source)?;
        let id = entropy::execution_id()?;
        let expected = check_stands(&source, place, as_it_stands)?;
        let copy = copy_to(&id, &source, place, as_it_stands);
        let changes = expected.into_iter().chain([copy]).collect();
        self.store.commit(UnitOfWork { changes, events: Vec::new() })?;
        Ok(id)
    }

    /// Puts an execution back to where it stood: it is paused in a lineage of its own. Returns the id
    /// under which it goes on.
    pub fn rollback(
        &self,
        execution: &ExecutionId,
        place: Place,
    ) -> Result<ExecutionId, EngineError> {
        self.check_open()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.store.execution(execution)?;
        let (id, mut changes) = going_on(&record);
        let lineages = record.lineages + 1;
        let thread = id.thread(lineages);
        changes.push(Change::ExpectHead {
            execution: record.id.clone(),
            lineages: record.lineages,
            checkpoint: None,
        });
        changes.push(Change::PlaceExecution { execution: id.clone(), lineages, at: Clock::now() });
        changes.push(Change::CopyThread {
            source: id.thread(place.lineage),
            target: thread.clone(),
            up_to: Some(place.checkpoint.clone()),
        });
        let body = EventBody::ExecutionRolledBack { checkpoint: place.checkpoint, thread };
        let event = self.event(None, Some(&id), body);
        self.store.commit(UnitOfWork { changes, events: vec![event] })?;
        Ok(id)
    }

    /// Takes up an execution at its head: one that is paused, awaits an answer, ended with an error,
    /// was cancelled, or was left by a session that is gone.
    pub fn resume_execution(&self, plan: &ResumePlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.store.execution(&plan.execution)?;
        let status = record.status;
        check_resumable(&record)?;
        let (id, created) = going_on(&record);
        let mut unit = self.stopping(&record)?;
        unit.changes.splice(0..0, created);
        unit.changes.extend(plan.expected.as_ref().map(|place| expect(&record, place)));
        unit.changes.push(Change::RequeueExecution { execution: id.clone(), from_head: true });
        let body = EventBody::ExecutionResumed {
            status: status.to_string(),
            answered: plan.answered,
            updated: plan.updated,
        };
        unit.events.push(self.event(None, Some(&id), body));
        self.commit_taking_up(&id, unit)?;
        let record = self.store.execution(&id)?;
        let prior = prior(self.store.as_ref(), &record)?;
        self.activate_single(&record, prior, plan.timeout_ms, true, &plan.workspace)
    }
}

impl Engine {
    /// Refuses to take what a person did with a cell for its batch's own.
    pub(crate) fn check_own_head(&self, cell: &ExecutionId) -> Result<(), EngineError> {
        match self.store.execution(&cell.continuation()) {
            Ok(_) => Err(EngineError::Invalid(format!(
                "execution {cell} has been gone on with by itself, so that its last checkpoint is \
                 not its batch's: resume it, or retry it from its input"
            ))),
            Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn check_resumable(record: &ExecutionRecord) -> Result<(), EngineError> {
    let (execution, status) = (record.id.known(), record.status);
    if status == ExecutionStatus::Succeeded {
        return Err(EngineError::AtItsEnd { execution });
    }
    if let Some(batch) = record.batch.clone().filter(|_| !status.is_final()) {
        return Err(EngineError::InBatch { execution, status, batch });
    }
    if record.lineages == 0 {
        return Err(EngineError::NoCheckpoints { execution });
    }
    Ok(())
}

/// What refuses a unit unless an execution stands at a place.
fn expect(record: &ExecutionRecord, place: &Place) -> Change {
    Change::ExpectHead {
        execution: record.id.clone(),
        lineages: place.lineage,
        checkpoint: Some(place.checkpoint.clone()),
    }
}

/// What refuses a fork that is to stand exactly where its source stands, if that moves on; while the
/// source is under way, it stands nowhere.
fn check_stands(
    source: &ExecutionRecord,
    place: &Place,
    as_it_stands: bool,
) -> Result<Option<Change>, EngineError> {
    if !as_it_stands {
        return Ok(None);
    }
    if !source.status.is_final() {
        let (execution, status) = (source.id.known(), source.status);
        return Err(EngineError::StandsNowhere { execution, status });
    }
    Ok(Some(expect(source, place)))
}

/// What gives a fork its history: that of its source up to a place, or all of it.
fn copy_to(
    fork: &ExecutionId,
    source: &ExecutionRecord,
    place: &Place,
    as_it_stands: bool,
) -> Change {
    Change::CopyThread {
        source: source.id.thread(place.lineage),
        target: fork.thread(1),
        up_to: (!as_it_stands).then(|| place.checkpoint.clone()),
    }
}

/// The record of a fork.
fn forked(source: ExecutionRecord, id: ExecutionId, plan: ForkPlan) -> ExecutionRecord {
    let asks = plan.as_it_stands && source.status == ExecutionStatus::Interrupted;
    let now = Clock::now();
    ExecutionRecord {
        status: if asks { ExecutionStatus::Interrupted } else { ExecutionStatus::Paused },
        interrupts: source.interrupts.clone().filter(|_| asks),
        parent: Some(source.id.known()),
        origin: source.batch.clone().or_else(|| source.origin.clone()),
        workflow: plan.workflow,
        variant: plan.variant,
        attempts: 0,
        token: 0,
        lineages: 1,
        from_head: true,
        created_at: now,
        started_at: None,
        finished_at: Some(now),
        front: Some(plan.front),
        ..without_outcome(beside(source, id))
    }
}

/// Returns the id under which an execution goes on, and what makes that so: a cell's result is its
/// batch's, and stays.
fn going_on(record: &ExecutionRecord) -> (ExecutionId, Vec<Change>) {
    let Some(batch) = &record.batch else {
        return (record.id.clone(), Vec::new());
    };
    let id = record.id.continuation();
    let continuation =
        ExecutionRecord { origin: Some(batch.clone()), ..beside(record.clone(), id.clone()) };
    (id, vec![Change::CreateExecution(Box::new(continuation))])
}

/// The record of an execution that is like another one, but no cell of a batch.
fn beside(record: ExecutionRecord, id: ExecutionId) -> ExecutionRecord {
    ExecutionRecord { id, batch: None, dead_letter: false, settled: true, ..record }
}

/// The record of an execution that has delivered nothing.
fn without_outcome(record: ExecutionRecord) -> ExecutionRecord {
    ExecutionRecord {
        output: None,
        state: None,
        interrupts: None,
        error: None,
        usage: None,
        duration_us: None,
        warnings: Vec::new(),
        ..record
    }
}
