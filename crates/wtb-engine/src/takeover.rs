//! Taking over what an earlier session left: claiming it, and loading it for its scheduler.

use std::collections::HashMap;

use wtb_model::{
    AttemptStatus, BatchId, BatchRecord, BatchSpec, CheckpointMode, EventBody, ExecutionRecord,
    ExecutionStatus, SessionId, Timestamp,
};
use wtb_scheduler::{Coordinates, Prior, comparable_order};
use wtb_store::{Change, ExecutionFilter, JournalFilter, Page, Store, StoreError, UnitOfWork};

use crate::active::{CellInfo, Setup};
use crate::environments::Environments;
use crate::{EngineError, session};

/// A batch that this session owns, ready for its scheduler.
pub(crate) struct Taken {
    pub(crate) batch: BatchId,
    pub(crate) spec: BatchSpec,
    pub(crate) setup: Setup,
    pub(crate) first_token: u64,
    pub(crate) resumed: bool,
}

/// How many variants, cases and repeats a batch has.
pub(crate) type Shape = (usize, usize, u32);

/// Sizes are checked to fit when a plan is made.
pub(crate) fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The outstanding executions in the comparable order, each with what `prior` says of it.
pub(crate) fn in_order(
    spec: &BatchSpec,
    (variants, cases, repeats): Shape,
    executions: &[ExecutionRecord],
    environments: &Environments,
    prior: impl Fn(&ExecutionRecord) -> Result<Prior, EngineError>,
) -> Result<Vec<CellInfo>, EngineError> {
    let outstanding = executions.iter().filter(|execution| !execution.status.is_final());
    let mut by_cell: HashMap<_, _> = outstanding
        .map(|execution| {
            let cell = Coordinates {
                case: execution.case_index,
                variant: execution.variant_index,
                repeat: execution.repeat,
            };
            (cell, execution)
        })
        .collect();
    let order = comparable_order(spec.seed, index(cases), index(variants), repeats)?;
    order
        .iter()
        .filter_map(|cell| by_cell.remove(&cell))
        .map(|execution| {
            let group = environments.group(execution.variant_index);
            Ok(cell_info(execution, Prior { group, ..prior(execution)? }))
        })
        .collect()
}

/// The cell that stands for an execution.
pub(crate) fn cell_info(execution: &ExecutionRecord, prior: Prior) -> CellInfo {
    CellInfo {
        execution: execution.id.clone(),
        variant: execution.variant_index,
        case: execution.case_index,
        repeat: execution.repeat,
        seed: execution.seed,
        prior,
        lineages: execution.lineages,
        from_head: execution.from_head,
    }
}

/// What earlier sessions charged to a queued execution since it was last sent back to the queue,
/// as the journal tells it.
pub(crate) fn prior(store: &dyn Store, execution: &ExecutionRecord) -> Result<Prior, EngineError> {
    let mut prior = Prior { attempts: execution.attempts, ..Prior::default() };
    if execution.attempts == 0 {
        return Ok(prior);
    }
    let kinds =
        ["execution.started", "execution.retrying", "execution.requeued", "execution.resumed"];
    let filter = JournalFilter {
        execution: Some(execution.id.known()),
        kinds: kinds.map(str::to_owned).to_vec(),
        ..JournalFilter::default()
    };
    for entry in store.journal(&filter, 0, Page::ALL.limit)? {
        match entry.event.body {
            EventBody::ExecutionRequeued { .. } | EventBody::ExecutionResumed { .. } => {
                (prior.failures, prior.losses) = (0, 0);
            }
            // An attempt that nothing more is heard of was lost with its session.
            EventBody::ExecutionStarted { .. } => prior.losses += 1,
            EventBody::ExecutionRetrying { cause, .. } => match AttemptStatus::parse(&cause) {
                Some(AttemptStatus::Lost) => {}
                Some(AttemptStatus::Failed | AttemptStatus::TimedOut) => {
                    prior.losses = prior.losses.saturating_sub(1);
                    prior.failures += 1;
                }
                _ => prior.losses = prior.losses.saturating_sub(1),
            },
            _ => {}
        }
    }
    Ok(prior)
}

/// The live driver behind a session, as text; `None` when it is gone.
pub(crate) fn live_driver(
    store: &dyn Store,
    session: &SessionId,
) -> Result<Option<String>, EngineError> {
    match store.session(session) {
        Ok(driver) if session::is_alive(store, &driver)? => {
            Ok(Some(format!("process {} on {}", driver.process, driver.host)))
        }
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A batch that is to change its owner.
pub(crate) struct Claim<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) session: &'a SessionId,
    pub(crate) batch: &'a BatchId,
}

impl Claim<'_> {
    /// Takes the batch from a session that is dead or done with it, and does `work` with it: both
    /// or neither.
    pub(crate) fn take(&self, now: Timestamp, mut work: UnitOfWork) -> Result<(), EngineError> {
        let record = self.store.batch(self.batch)?.batch;
        let from = record.session.clone();
        if let Some(owner) = from.as_ref().filter(|owner| *owner != self.session)
            && !record.status.is_final()
            && let Some(owner) = live_driver(self.store, owner)?
        {
            return Err(self.busy(owner));
        }
        let (batch, session) = (self.batch.clone(), self.session.clone());
        work.changes.insert(0, Change::ClaimBatch { batch, session, from, at: now });
        match self.store.commit(work) {
            // Somebody else was faster.
            Err(StoreError::NotOwner { owner: Some(owner), .. }) => {
                Err(self.busy(format!("session {owner}")))
            }
            committed => Ok(committed.map(drop)?),
        }
    }

    fn busy(&self, owner: String) -> EngineError {
        EngineError::Busy { batch: self.batch.clone(), owner }
    }

    /// Loads what is left to do.
    pub(crate) fn load(&self) -> Result<Taken, EngineError> {
        let summary = self.store.batch(self.batch)?;
        let BatchRecord { spec, status, .. } = summary.batch;
        let variants = self.store.variants(self.batch)?;
        let cases = self.store.cases(self.batch)?;
        let of_batch =
            ExecutionFilter { batch: Some(self.batch.clone()), ..ExecutionFilter::default() };
        let executions = self.store.executions(&of_batch, Page::ALL)?;
        let unscored = if spec.evaluators.is_empty() {
            Vec::new()
        } else {
            let waiting = executions.iter().filter(|execution| {
                execution.status == ExecutionStatus::Succeeded && !execution.settled
            });
            waiting.map(|execution| execution.id.clone()).collect()
        };
        let shape = (variants.len(), cases.len(), spec.repeats);
        let environments = Environments::of(&variants)?;
        let past = |one: &ExecutionRecord| prior(self.store, one);
        let setup = Setup {
            cells: in_order(&spec, shape, &executions, &environments, past)?,
            environments,
            variants: variants.into_iter().map(|variant| variant.name).collect(),
            inputs: cases.iter().map(|case| case.workspace.clone()).collect(),
            cases: cases.into_iter().map(|case| case.id).collect(),
            counts: summary.counts,
            unscored,
            status: Some(status),
            checkpointed: spec.checkpoints != CheckpointMode::Off,
            workspace: spec.workspace.clone(),
        };
        let tokens = executions.iter().map(|execution| execution.token);
        let first_token = tokens.max().unwrap_or_default() + 1;
        Ok(Taken { batch: self.batch.clone(), spec, setup, first_token, resumed: true })
    }
}
