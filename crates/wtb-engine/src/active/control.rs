//! The owner's side: pause, resume, drain, stop, cancel.

use wtb_model::{BatchStatus, EventBody, ExecutionId};
use wtb_scheduler::{BatchEnd, CellIndex, CellStatus, Input};

use super::ActiveBatch;
use super::finish::Ended;
use super::state::State;
use crate::EngineError;

impl ActiveBatch {
    /// Hands out nothing new until [`ActiveBatch::resume`]; attempts under way go on.
    pub fn pause(&self) -> Result<(), EngineError> {
        self.feed(&mut self.lock(), Input::Pause)
    }

    /// Goes on after [`ActiveBatch::pause`].
    pub fn resume(&self) -> Result<(), EngineError> {
        self.feed(&mut self.lock(), Input::Resume)
    }

    /// Hands out nothing new, lets attempts under way end, and leaves the rest to a later session.
    /// Does nothing when the batch is draining already, or over.
    pub fn drain(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.draining || state.is_over() {
            return Ok(());
        }
        state.draining = true;
        self.feed(&mut state, Input::Drain)
    }

    /// Stops now and leaves everything unfinished, attempts under way included, to a later session.
    /// Does nothing when the batch is over.
    ///
    /// An attempt that is stopped so costs its execution nothing: neither a retry nor a loss.
    pub fn abandon(&self) -> Result<(), EngineError> {
        self.settle_handed(None)?;
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(());
        }
        self.confirm(&mut state)?;
        self.give_back_running(&mut state)?;
        let unscored = state.unscored() > 0;
        state.leave_scores();
        let end = match state.finished {
            // It was over but for the scores: they are what a later session takes up.
            Some(BatchEnd::Completed) | None if unscored => BatchEnd::Drained,
            Some(end) => end,
            None => BatchEnd::Drained,
        };
        self.finish(&mut state, end)
    }

    /// Cancels everything that has not ended; attempts under way are told to stop and what they
    /// still deliver is refused. Nobody waits for scores that are still missing.
    pub fn cancel(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.result.is_none() {
            state.leave_scores();
        }
        if state.finished.is_some() && state.result.is_none() {
            return self.finish_if_scored(&mut state);
        }
        state.cancel_reason = "the batch was cancelled";
        self.feed(&mut state, Input::Cancel)
    }

    /// Cancels one execution.
    pub fn cancel_execution(&self, execution: &ExecutionId) -> Result<(), EngineError> {
        let mut state = self.lock();
        let position = state.cells.iter().position(|cell| &cell.execution == execution);
        let Some(cell) = position.and_then(|index| u32::try_from(index).ok()).map(CellIndex) else {
            let text = format!("execution {execution} is not among those that are under way");
            return Err(EngineError::Invalid(text));
        };
        let reason = std::mem::replace(&mut state.cancel_reason, "it was cancelled");
        let result = self.feed(&mut state, Input::CancelCell { cell });
        state.cancel_reason = reason;
        match (result, state.scheduler.status(cell)) {
            (
                Err(EngineError::Invalid(_)),
                Some(CellStatus::Unsettled(end) | CellStatus::Ended(end)),
            ) => {
                let text = format!("execution {execution} cannot be cancelled: it is over ({end})");
                Err(EngineError::Invalid(text))
            }
            (result, _) => result,
        }
    }

    /// Whether the batch has not ended in this session.
    pub fn is_under_way(&self) -> bool {
        self.lock().result.is_none()
    }

    /// Announces that this session hands out the batch's executions from now on.
    pub(crate) fn begin(
        &self,
        runner: &str,
        max_workers: u32,
        resumed: bool,
    ) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(()); // The engine was closed meanwhile.
        }
        if let Some(ended) = nothing_to_do(&state) {
            self.end(&mut state, Ok(ended));
            return Ok(());
        }
        let body = EventBody::BatchStarted {
            outstanding: state.counts.outstanding(),
            runner: runner.to_owned(),
            max_workers,
            resumed,
        };
        if state.status == Some(BatchStatus::Running) {
            self.journal(&mut state, body)?;
        } else {
            self.set_status(&mut state, BatchStatus::Running, body)?;
        }
        // The first tick also ends a batch that has nothing outstanding.
        self.feed(&mut state, Input::Tick)
    }
}

/// A batch that had ended before and has nothing new to run or to score stays as it is.
fn nothing_to_do(state: &State) -> Option<Ended> {
    let status = state.status.filter(|status| status.is_final())?;
    let idle = state.counts.outstanding() == 0 && state.unscored() == 0;
    idle.then_some(Ended { status: Some(status), counts: state.counts, resumable: false })
}
