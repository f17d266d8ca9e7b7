//! The evaluators' side: poll for executions whose outcome is stored, deliver their scores.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use wtb_model::{Event, EventBody, ExecutionId, ScoreRecord};
use wtb_scheduler::{CellIndex, Input};
use wtb_store::{Change, StoreError, UnitOfWork};

use super::{ActiveBatch, rest, until};
use crate::EngineError;

/// An execution to score. Its outcome is durable.
#[derive(Debug)]
pub struct ScoringTask {
    /// The execution.
    pub execution: ExecutionId,
    cell: Option<CellIndex>,
}

/// What a poll for something to score brings.
#[derive(Debug)]
pub enum Scoring {
    /// An execution to score.
    Task(ScoringTask),
    /// Nothing yet; poll again.
    Idle,
    /// Nothing more will come.
    Done,
}

impl ActiveBatch {
    /// Waits up to `timeout` for an execution to score. Whoever takes one must bring it back by
    /// [`ActiveBatch::complete_scoring`]: the batch does not end before.
    pub fn poll_scoring(&self, timeout: Duration) -> Result<Scoring, EngineError> {
        self.check_process()?;
        let until = until(timeout);
        let mut state = self.lock();
        let (cell, execution, ticket) = loop {
            if state.result.is_some() {
                return Ok(Scoring::Done);
            }
            if let Some(entry) = state.scorable.pop_front() {
                state.scoring.insert(entry.1.clone());
                break entry;
            }
            let rest = rest(until);
            if rest.is_zero() {
                return Ok(Scoring::Idle);
            }
            let waited = self.scorable.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        if let Some(ticket) = ticket
            && let Err(error) = ticket.wait()
        {
            return Err(self.fail_with(&mut self.lock(), error.into()));
        }
        Ok(Scoring::Task(ScoringTask { execution, cell }))
    }

    /// Delivers the scores of an execution, and what went wrong by evaluator. Scores that come when
    /// the batch is over are stored as well, as long as the store is open.
    pub fn complete_scoring(
        &self,
        task: &ScoringTask,
        scores: Vec<ScoreRecord>,
    ) -> Result<(), EngineError> {
        self.check_process()?;
        let mut state = self.lock();
        let unit =
            scoring_unit(&task.execution, scores, |body| self.event(Some(&task.execution), body));
        if state.result.is_some() {
            drop(state);
            return match self.store.commit(unit) {
                Ok(_) | Err(StoreError::Closed) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        self.submit(&mut state, unit)?;
        // A second delivery replaces the scores, and the scheduler ignores it.
        state.scoring.remove(&task.execution);
        if let Some(cell) = task.cell
            && state.finished.is_none()
        {
            self.feed(&mut state, Input::Settled { cell })?;
        }
        self.finish_if_scored(&mut state)
    }
}

/// The unit of work that writes scores and reports them.
pub(crate) fn scoring_unit(
    execution: &ExecutionId,
    scores: Vec<ScoreRecord>,
    event: impl FnOnce(EventBody) -> Event,
) -> UnitOfWork {
    let values = scores.iter().filter(|score| score.error.is_none());
    let values: BTreeMap<_, _> = values.map(|score| (score.name.clone(), score.value)).collect();
    let errors = scores
        .iter()
        .filter_map(|score| score.error.clone().map(|error| (score.source.clone(), error)))
        .collect();
    let body = EventBody::ExecutionScored { scores: values, errors };
    UnitOfWork::new(Change::PutScores { execution: execution.clone(), scores }, event(body))
}
