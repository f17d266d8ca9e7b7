//! Single executions: an [`Engine`] runs them like the only cell of a batch that is not stored.

use std::sync::{Arc, PoisonError};

use wtb_model::{
    AttemptOutcome, AttemptStatus, Event, EventBody, ExecutionId, ExecutionRecord, ExecutionStatus,
    StatusCounts, WorkspaceSpec,
};
use wtb_scheduler::Prior;
use wtb_store::{Change, JournalFilter, Page, StoreError, UnitOfWork};

use crate::active::{ActiveBatch, CellInfo, Setup};
use crate::clock::Clock;
use crate::environments::Environments;
use crate::plan::{RetryPlan, SinglePlan};
use crate::takeover::{cell_info, live_driver, prior};
use crate::{Engine, EngineError, create, settings};

impl Engine {
    /// Creates a single execution and takes it up.
    pub fn submit_single(&self, plan: SinglePlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let (timeout_ms, checkpointed) = (plan.timeout_ms, plan.checkpointed);
        let workspace = plan.workspace.clone();
        let record = create::create_single(self.store.as_ref(), plan)?;
        self.activate_single(&record, Prior::default(), timeout_ms, checkpointed, &workspace)
    }

    /// Takes up a single execution again: one that has ended, or one that its session left. It begins
    /// anew, or goes on from its head.
    pub fn retry_single(&self, plan: &RetryPlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let RetryPlan { execution, timeout_ms, checkpointed, beginning, workspace } = plan;
        settings::single_config(*timeout_ms, 1).validate()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.store.execution(execution)?;
        if let Some(batch) = &record.batch {
            let text = format!("execution {execution} belongs to batch {batch}: retry it there");
            return Err(EngineError::Invalid(text));
        }
        let mut unit = self.stopping(&record)?;
        let (change, event) = self.requeue(None, execution, *beginning);
        unit.changes.push(change);
        unit.events.push(event);
        self.commit_taking_up(execution, unit)?;
        let record = self.store.execution(execution)?;
        let prior = prior(self.store.as_ref(), &record)?;
        self.activate_single(&record, prior, *timeout_ms, *checkpointed, workspace)
    }

    pub(crate) fn activate_single(
        &self,
        record: &ExecutionRecord,
        prior: Prior,
        timeout_ms: Option<u64>,
        checkpointed: bool,
        workspace: &WorkspaceSpec,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let config = settings::single_config(timeout_ms, record.token + 1);
        let setup = Setup {
            // Of its batch, if it goes on beside one, only its own variant and case are here.
            cells: vec![CellInfo { variant: 0, case: 0, ..cell_info(record, prior) }],
            environments: Environments::single(),
            variants: vec![record.variant.clone()],
            cases: vec![record.case_id.clone()],
            counts: StatusCounts { queued: 1, ..StatusCounts::default() },
            unscored: Vec::new(),
            status: None,
            checkpointed,
            workspace: workspace.clone(),
            inputs: vec![None],
        };
        let active = self.enter(ActiveBatch::new(self.context(), None, config, setup)?)?;
        active.tick()?;
        self.pacemaker.watch(&active);
        Ok(active)
    }

    /// What begins a unit that takes an execution up: it stops what a session that is gone left of it,
    /// and is refused when somebody else takes it up in the meantime.
    pub(crate) fn stopping(&self, record: &ExecutionRecord) -> Result<UnitOfWork, EngineError> {
        let mut unit = UnitOfWork::silent(Change::ExpectState {
            execution: record.id.clone(),
            status: record.status,
            token: record.token,
            finished_at: record.finished_at,
        });
        if !record.status.is_final() {
            self.check_left(record)?;
            let (change, event) = self.stop_left(record);
            unit.changes.push(change);
            unit.events.push(event);
        }
        Ok(unit)
    }

    /// Commits a unit that takes an execution up. Where somebody else was faster, that is told.
    pub(crate) fn commit_taking_up(
        &self,
        id: &ExecutionId,
        unit: UnitOfWork,
    ) -> Result<(), EngineError> {
        let Err(error) = self.store.commit(unit) else {
            return Ok(());
        };
        if matches!(error, StoreError::Moved { .. } | StoreError::Illegal(_))
            && let Ok(record) = self.store.execution(id)
            && !record.status.is_final()
        {
            self.check_left(&record)?;
        }
        Err(error.into())
    }

    /// Refuses to touch what somebody drives.
    fn check_left(&self, record: &ExecutionRecord) -> Result<(), EngineError> {
        match self.driver_of_single(record)? {
            Some(owner) => Err(EngineError::UnderWay { execution: record.id.known(), owner }),
            None => Ok(()),
        }
    }

    /// Who drives a single execution, as text; `None` when nobody does any more.
    fn driver_of_single(&self, record: &ExecutionRecord) -> Result<Option<String>, EngineError> {
        if self.all_active().iter().any(|active| active.drives_single(&record.id)) {
            return Ok(Some("this program".to_owned()));
        }
        let kinds = ["execution.requeued", "execution.resumed", "execution.started"];
        let filter = JournalFilter {
            execution: Some(record.id.known()),
            kinds: kinds.map(str::to_owned).to_vec(),
            ..JournalFilter::default()
        };
        let mut steps = self.store.journal(&filter, 0, Page::ALL.limit)?;
        // What a cell goes on to by itself is known by the cell's id, but not driven by its batch.
        steps.retain(|entry| entry.event.batch.is_none());
        match steps.last().map(|entry| &entry.event.session) {
            Some(driver) if *driver != self.session => live_driver(self.store.as_ref(), driver),
            _ => Ok(None),
        }
    }

    /// What stops an execution whose session is gone, and tells of it.
    fn stop_left(&self, record: &ExecutionRecord) -> (Change, Event) {
        let (execution, at) = (record.id.clone(), Clock::now());
        if record.status == ExecutionStatus::Queued {
            let status = ExecutionStatus::Cancelled;
            let body = EventBody::ExecutionCancelled { reason: "its session ended".to_owned() };
            let event = self.event(None, Some(&record.id), body);
            return (Change::FinishExecution { execution, status, at }, event);
        }
        let change = Change::FinishAttempt {
            execution,
            attempt: record.attempts,
            token: record.token,
            status: AttemptStatus::Lost,
            next: ExecutionStatus::Cancelled,
            dead_letter: false,
            outcome: Box::new(AttemptOutcome::default()),
            settled: true,
            handed_ahead: false,
            at,
        };
        let body = EventBody::ExecutionRetrying {
            attempt: record.attempts,
            cause: AttemptStatus::Lost.to_string(),
            message: "its session ended before the attempt did".to_owned(),
            backoff_ms: 0,
        };
        (change, self.event(None, Some(&record.id), body))
    }
}
