//! The end: which state a batch ends in, what the journal says of it, and waiting for it.

use std::sync::PoisonError;
use std::time::Duration;

use wtb_model::{BatchStatus, EventBody, StatusCounts};
use wtb_scheduler::BatchEnd;
use wtb_store::{Change, Ticket, UnitOfWork};

use super::state::State;
use super::{ActiveBatch, rest, until};
use crate::EngineError;
use crate::clock::Clock;

/// How often a batch that moves reports its progress in the journal, in milliseconds.
const PROGRESS_EVERY_MS: u64 = 1_000;

/// How an active batch came to its end in this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The batch's state; `None` for a single execution.
    pub status: Option<BatchStatus>,
    /// How many executions stand where.
    pub counts: StatusCounts,
    /// Whether executions are left for a later session.
    pub resumable: bool,
}

impl ActiveBatch {
    /// Waits until the batch has ended, with everything that led to its end durable; `None` when the
    /// timeout was over first.
    pub fn wait(&self, timeout: Duration) -> Result<Option<Ended>, EngineError> {
        let until = until(timeout);
        let mut state = self.lock();
        while state.result.is_none() {
            let rest = rest(until);
            if rest.is_zero() {
                return Ok(None);
            }
            state = self.ended.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.result.clone().transpose()
    }

    /// Looks at what became of the units of work queued so far. One that failed ends the batch in
    /// this session: what was durable before it can be resumed.
    pub(super) fn confirm(&self, state: &mut State) -> Result<(), EngineError> {
        while let Some(result) = state.unconfirmed.front().and_then(Ticket::poll) {
            state.unconfirmed.pop_front();
            if let Err(error) = result {
                return Err(self.fail_with(state, error.into()));
            }
        }
        match &state.result {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until the units of work queued so far are durable.
    fn confirm_all(&self, state: &mut State) -> Result<(), EngineError> {
        while let Some(ticket) = state.unconfirmed.pop_front() {
            if let Err(error) = ticket.wait() {
                return Err(self.fail_with(state, error.into()));
            }
        }
        Ok(())
    }

    /// Ends the batch in this session because the store failed, and returns the first such error.
    pub(super) fn fail_with(&self, state: &mut State, error: EngineError) -> EngineError {
        if let Some(Err(first)) = &state.result {
            return first.clone();
        }
        state.unconfirmed.clear();
        self.end(state, Err(error.clone()));
        error
    }

    /// Ends the batch once the scheduler has finished and no score is outstanding.
    pub(super) fn finish_if_scored(&self, state: &mut State) -> Result<(), EngineError> {
        match state.finished {
            Some(end) if state.result.is_none() && state.unscored() == 0 => self.finish(state, end),
            _ => Ok(()),
        }
    }

    /// Writes the end, and lets go when it is durable.
    pub(super) fn finish(&self, state: &mut State, end: BatchEnd) -> Result<(), EngineError> {
        // The end must not become durable when something that led to it does not.
        self.confirm_all(state)?;
        let resumable = end == BatchEnd::Drained;
        self.journal_progress(state)?;
        if std::mem::take(&mut state.backpressure) {
            // The scheduler had no chance to say so.
            self.journal(state, EventBody::BackpressureReleased { pending: 0 })?;
        }
        if resumable {
            self.release(state)?;
        } else {
            self.close(state, end)?;
        }
        self.confirm_all(state)?;
        let ended = Ended { status: state.status, counts: state.counts, resumable };
        self.end(state, Ok(ended));
        Ok(())
    }

    /// Lets go of everything and everybody: nothing of the batch happens in this session any more.
    pub(super) fn end(&self, state: &mut State, result: Result<Ended, EngineError>) {
        state.result = Some(result);
        state.ended_ms = Some(self.clock.elapsed_ms());
        state.backpressure = false;
        for (token, running) in &state.running {
            running.stop(*token, &mut state.workers);
        }
        for worker in state.workers.values_mut() {
            worker.wake.notify_all();
        }
        self.ended.notify_all();
        self.scorable.notify_all();
    }

    fn release(&self, state: &mut State) -> Result<(), EngineError> {
        let Some(batch) = self.batch.clone() else {
            return Ok(());
        };
        let change = Change::ReleaseBatch { batch, session: self.session.clone() };
        let body = EventBody::BatchReleased { outstanding: state.counts.outstanding() };
        self.submit(state, UnitOfWork::new(change, self.event(None, body)))
    }

    fn close(&self, state: &mut State, end: BatchEnd) -> Result<(), EngineError> {
        let (counts, duration_ms) = (state.counts, self.elapsed_ms());
        let (status, body) = match end {
            BatchEnd::Cancelled => {
                (BatchStatus::Cancelled, EventBody::BatchCancelled { counts, duration_ms })
            }
            BatchEnd::FailedFast => {
                let reason = format!("{} executions failed: given up early", counts.errors());
                (BatchStatus::Failed, EventBody::BatchFailed { reason, counts, duration_ms })
            }
            BatchEnd::Completed | BatchEnd::Drained if all_failed(&counts) => {
                let reason = "every execution failed".to_owned();
                (BatchStatus::Failed, EventBody::BatchFailed { reason, counts, duration_ms })
            }
            BatchEnd::Completed | BatchEnd::Drained => {
                let clean = counts.errors() + counts.cancelled == 0;
                let status =
                    if clean { BatchStatus::Completed } else { BatchStatus::CompletedWithErrors };
                (status, EventBody::BatchCompleted { counts, duration_ms })
            }
        };
        if state.status == Some(BatchStatus::Paused) && status != BatchStatus::Cancelled {
            // Its last attempts ended while it was paused: there is nothing left to hold back.
            self.set_status(state, BatchStatus::Running, EventBody::BatchResumed {})?;
        }
        self.set_status(state, status, body)
    }

    pub(super) fn set_status(
        &self,
        state: &mut State,
        status: BatchStatus,
        body: EventBody,
    ) -> Result<(), EngineError> {
        // A single execution has no batch whose state could change.
        let Some(batch) = self.batch.clone() else {
            return Ok(());
        };
        state.status = Some(status);
        let session = self.session.clone();
        let change = Change::SetBatchStatus { batch, session, status, at: Clock::now() };
        self.submit(state, UnitOfWork::new(change, self.event(None, body)))
    }

    pub(super) fn report_progress(&self, state: &mut State) -> Result<(), EngineError> {
        let (reported_at, reported_ended) = state.progress_reported;
        let due = self.elapsed_ms() >= reported_at + PROGRESS_EVERY_MS;
        if due && state.ended_here > reported_ended {
            self.journal_progress(state)?;
        }
        Ok(())
    }

    fn journal_progress(&self, state: &mut State) -> Result<(), EngineError> {
        if self.batch.is_none() {
            return Ok(());
        }
        let elapsed_ms = self.elapsed_ms();
        state.progress_reported = (elapsed_ms, state.ended_here);
        let outstanding = state.counts.outstanding();
        let (per_second, remaining_ms) =
            crate::progress::rate(state.ended_here, outstanding, elapsed_ms);
        let counts = state.counts;
        let body = EventBody::BatchProgress { counts, elapsed_ms, per_second, remaining_ms };
        self.journal(state, body)
    }
}

const fn all_failed(counts: &StatusCounts) -> bool {
    counts.errors() > 0 && counts.errors() == counts.total()
}
