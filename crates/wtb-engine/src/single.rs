//! Single executions: an [`Engine`] runs them like the only cell of a batch that is not stored.

use std::sync::{Arc, PoisonError};

use wtb_model::{
    AttemptOutcome, AttemptStatus, EventBody, ExecutionId, ExecutionRecord, ExecutionStatus,
    StatusCounts,
};
use wtb_scheduler::Prior;
use wtb_store::{Change, JournalFilter, Page, UnitOfWork};

use crate::active::{ActiveBatch, Setup};
use crate::clock::Clock;
use crate::plan::SinglePlan;
use crate::takeover::{cell_info, live_driver, prior};
use crate::{Engine, EngineError, create, settings};

impl Engine {
    /// Creates a single execution and takes it up.
    pub fn submit_single(&self, plan: SinglePlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let timeout_ms = plan.timeout_ms;
        let record = create::create_single(self.store.as_ref(), plan)?;
        self.activate_single(&record, Prior::default(), timeout_ms)
    }

    /// Takes up a single execution again: one that has ended, or one that its session left.
    pub fn retry_single(
        &self,
        execution: &ExecutionId,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        settings::single_config(timeout_ms, 1).validate()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.store.execution(execution)?;
        if let Some(batch) = &record.batch {
            let text = format!("execution {execution} belongs to batch {batch}: retry it there");
            return Err(EngineError::Invalid(text));
        }
        let owner = self.driver_of_single(&record)?;
        if let Some(owner) = owner.filter(|_| !record.status.is_final()) {
            let text = format!("execution {execution} is under way in {owner}");
            return Err(EngineError::Invalid(text));
        }
        match record.status {
            ExecutionStatus::Queued => {}
            ExecutionStatus::Running => self.store.commit(self.lose(&record)).map(drop)?,
            _ => {
                let (change, event) = self.requeue(None, execution);
                self.store.commit(UnitOfWork::new(change, event))?;
            }
        }
        let record = self.store.execution(execution)?;
        let prior = prior(self.store.as_ref(), &record)?;
        self.activate_single(&record, prior, timeout_ms)
    }

    fn activate_single(
        &self,
        record: &ExecutionRecord,
        prior: Prior,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let config = settings::single_config(timeout_ms, record.token + 1);
        let setup = Setup {
            cells: vec![cell_info(record, prior)],
            variants: vec![record.variant.clone()],
            cases: vec![record.case_id.clone()],
            counts: StatusCounts { queued: 1, ..StatusCounts::default() },
            unscored: Vec::new(),
            status: None,
        };
        let active = self.enter(ActiveBatch::new(self.context(), None, config, setup)?)?;
        active.tick()?;
        self.pacemaker.watch(&active);
        Ok(active)
    }

    /// Who drives a single execution, as text; `None` when nobody does any more.
    fn driver_of_single(&self, record: &ExecutionRecord) -> Result<Option<String>, EngineError> {
        if self.all_active().iter().any(|active| active.drives_single(&record.id)) {
            return Ok(Some("this program".to_owned()));
        }
        let filter = JournalFilter {
            execution: Some(record.id.clone()),
            kinds: vec!["execution.started".to_owned()],
            ..JournalFilter::default()
        };
        let started = self.store.journal(&filter, 0, Page::ALL.limit)?;
        match started.last().map(|entry| &entry.event.session) {
            Some(driver) if *driver != self.session => live_driver(self.store.as_ref(), driver),
            _ => Ok(None),
        }
    }

    /// The unit of work that ends an attempt whose session is gone.
    fn lose(&self, record: &ExecutionRecord) -> UnitOfWork {
        let change = Change::FinishAttempt {
            execution: record.id.clone(),
            attempt: record.attempts,
            token: record.token,
            status: AttemptStatus::Lost,
            next: ExecutionStatus::Queued,
            dead_letter: false,
            outcome: Box::new(AttemptOutcome::default()),
            settled: true,
            at: Clock::now(),
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
