//! Single executions: an [`Engine`] runs them like the only cell of a batch that is not stored.

use std::sync::{Arc, PoisonError};

use wtb_model::{
    AttemptOutcome, AttemptStatus, EventBody, ExecutionRecord, ExecutionStatus, StatusCounts,
};
use wtb_scheduler::Prior;
use wtb_store::{Change, JournalFilter, Page, UnitOfWork};

use crate::active::{ActiveBatch, CellInfo, Setup};
use crate::clock::Clock;
use crate::plan::{RetryPlan, SinglePlan};
use crate::takeover::{cell_info, live_driver, prior};
use crate::{Engine, EngineError, create, settings};

impl Engine {
    /// Creates a single execution and takes it up.
    pub fn submit_single(&self, plan: SinglePlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let (timeout_ms, checkpointed) = (plan.timeout_ms, plan.checkpointed);
        let record = create::create_single(self.store.as_ref(), plan)?;
        self.activate_single(&record, Prior::default(), timeout_ms, checkpointed)
    }

    /// Takes up a single execution again: one that has ended, or one that its session left. It begins
    /// anew, or goes on from its head.
    pub fn retry_single(&self, plan: &RetryPlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let RetryPlan { execution, timeout_ms, checkpointed, beginning } = plan;
        settings::single_config(*timeout_ms, 1).validate()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.store.execution(execution)?;
        if let Some(batch) = &record.batch {
            let text = format!("execution {execution} belongs to batch {batch}: retry it there");
            return Err(EngineError::Invalid(text));
        }
        let mut unit = UnitOfWork::default();
        if !record.status.is_final() {
            self.check_left(&record)?;
            unit = self.stop_left(&record);
        }
        let (change, event) = self.requeue(None, execution, *beginning);
        unit.changes.push(change);
        unit.events.push(event);
        self.store.commit(unit)?;
        let record = self.store.execution(execution)?;
        let prior = prior(self.store.as_ref(), &record)?;
        self.activate_single(&record, prior, *timeout_ms, *checkpointed)
    }

    pub(crate) fn activate_single(
        &self,
        record: &ExecutionRecord,
        prior: Prior,
        timeout_ms: Option<u64>,
        checkpointed: bool,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let config = settings::single_config(timeout_ms, record.token + 1);
        let setup = Setup {
            // Of its batch, if it goes on beside one, only its own variant and case are here.
            cells: vec![CellInfo { variant: 0, case: 0, ..cell_info(record, prior) }],
            variants: vec![record.variant.clone()],
            cases: vec![record.case_id.clone()],
            counts: StatusCounts { queued: 1, ..StatusCounts::default() },
            unscored: Vec::new(),
            status: None,
            checkpointed,
        };
        let active = self.enter(ActiveBatch::new(self.context(), None, config, setup)?)?;
        active.tick()?;
        self.pacemaker.watch(&active);
        Ok(active)
    }

    /// Refuses to touch what somebody drives.
    pub(crate) fn check_left(&self, record: &ExecutionRecord) -> Result<(), EngineError> {
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
        let filter = JournalFilter {
            execution: Some(record.id.known()),
            kinds: vec!["execution.started".to_owned()],
            ..JournalFilter::default()
        };
        let started = self.store.journal(&filter, 0, Page::ALL.limit)?;
        match started.last().map(|entry| &entry.event.session) {
            Some(driver) if *driver != self.session => live_driver(self.store.as_ref(), driver),
            _ => Ok(None),
        }
    }

    /// The unit of work that stops an execution whose session is gone.
    pub(crate) fn stop_left(&self, record: &ExecutionRecord) -> UnitOfWork {
        let (execution, at) = (record.id.clone(), Clock::now());
        if record.status == ExecutionStatus::Queued {
            let status = ExecutionStatus::Cancelled;
            let body = EventBody::ExecutionCancelled { reason: "its session ended".to_owned() };
            let event = self.event(None, Some(&record.id), body);
            return UnitOfWork::new(Change::FinishExecution { execution, status, at }, event);
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
            at,
        };
        let body = EventBody::ExecutionRetrying {
            attempt: record.attempts,
            cause: AttemptStatus::Lost.to_string(),
            message: "its session ended before the attempt did".to_owned(),
            backoff_ms: 0,
        };
        UnitOfWork::new(change, self.event(None, Some(&record.id), body))
    }
}
