//! The owner's side: pause, resume, drain, stop, cancel.

use std::sync::atomic::Ordering;

use wtb_model::{BatchStatus, EventBody, ExecutionId};
use wtb_scheduler::{CellIndex, Input, WorkerId};

use super::ActiveBatch;
use crate::EngineError;

impl ActiveBatch {
    /// Hands out nothing new until [`ActiveBatch::resume`]; attempts under way go on.
    pub fn pause(&self) -> Result<(), EngineError> {
        self.request(Input::Pause)
    }

    /// Goes on after [`ActiveBatch::pause`].
    pub fn resume(&self) -> Result<(), EngineError> {
        self.request(Input::Resume)
    }

    /// Hands out nothing new, lets attempts under way end, and leaves the rest to a later session.
    pub fn drain(&self) -> Result<(), EngineError> {
        self.request(Input::Drain)
    }

    /// Stops now and leaves everything unfinished, attempts under way included, to a later session.
    pub fn abandon(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(());
        }
        state.abandoned = true;
        for running in state.running.values() {
            running.stop.store(true, Ordering::Relaxed);
        }
        let workers: Vec<_> = state.workers.keys().copied().collect();
        if state.finished.is_none() {
            self.feed(&mut state, Input::Drain, None)?;
        }
        for worker in workers {
            if state.finished.is_none() {
                self.feed(
                    &mut state,
                    Input::WorkerGone {
                        worker: WorkerId(worker),
                    },
                    None,
                )?;
            }
        }
        self.finish_if_scored(&mut state)
    }

    /// Cancels everything that has not ended; attempts under way are told to stop and what they
    /// still deliver is refused.
    pub fn cancel(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        "the batch was cancelled".clone_into(&mut state.cancel_reason);
        self.feed(&mut state, Input::Cancel, None)
    }

    /// Cancels one execution.
    pub fn cancel_execution(&self, execution: &ExecutionId) -> Result<(), EngineError> {
        let mut state = self.lock();
        let position = state
            .cells
            .iter()
            .position(|cell| &cell.execution == execution);
        let Some(cell) = position.and_then(|index| u32::try_from(index).ok()) else {
            let text = format!("execution {execution} is not among those that are under way");
            return Err(EngineError::Invalid(text));
        };
        let reason = std::mem::replace(&mut state.cancel_reason, "it was cancelled".to_owned());
        let result = self.feed(
            &mut state,
            Input::CancelCell {
                cell: CellIndex(cell),
            },
            None,
        );
        state.cancel_reason = reason;
        result
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
        self.feed(&mut state, Input::Tick, None)
    }

    fn request(&self, input: Input) -> Result<(), EngineError> {
        self.feed(&mut self.lock(), input, None)
    }
}
