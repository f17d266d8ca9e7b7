//! Carries out the scheduler's commands: each becomes at most a few units of work.

use wtb_model::{BatchStatus, EventBody, ExecutionId, ExecutionStatus};
use wtb_scheduler::{
    CellEnd, CellIndex, Command, ExpireCause, FenceReason, Input, Next, Phase, Token, WorkerId,
};
use wtb_store::{Change, UnitOfWork};

use super::attempt::Closing;
use super::report::{attempt_status, execution_status, expired, fence_reason};
use super::state::State;
use super::{ActiveBatch, Arrival};
use crate::EngineError;
use crate::clock::Clock;

/// How many cells that end without an attempt share a unit of work.
const FINISHED_PER_UNIT: usize = 256;

impl ActiveBatch {
    pub(super) fn apply(
        &self,
        state: &mut State,
        command: Command,
        arrival: &mut Option<Arrival<'_>>,
        inputs: &mut Vec<Input>,
    ) -> Result<(), EngineError> {
        match command {
            Command::Start { worker, cell, attempt, token, deadline } => {
                if !state.workers.contains_key(&worker.0) {
                    inputs.push(Input::WorkerGone { worker });
                    return Ok(());
                }
                self.start(state, worker, cell, attempt, token, deadline)
            }
            Command::Accept { token, cell, attempt, end, next } => {
                let running = state.running.remove(&token.0);
                let has_begun = running.as_ref().is_none_or(|running| running.has_begun);
                if let Some(running) = running
                    && let Some(worker) = state.workers.get_mut(&running.worker)
                {
                    worker.completed += 1;
                }
                let outcome = arrival.take().map(|arrival| arrival.outcome);
                let closing = Closing {
                    cell,
                    attempt,
                    token,
                    status: attempt_status(end),
                    next,
                    outcome: outcome.unwrap_or_default(),
                    has_begun,
                    reason: "its worker stopped it",
                };
                let to_score = self.close_attempt(state, closing)?;
                // What no evaluator has to see is settled at once.
                if self.scored && !to_score && matches!(next, Next::Final { .. }) {
                    inputs.push(Input::Settled { cell });
                }
                Ok(())
            }
            Command::Expire { token, cell, attempt, cause, next, .. } => {
                let (duration_us, has_begun) = self.expire(state, token);
                let (status, mut outcome) = expired(cause, attempt, duration_us);
                if cause == ExpireCause::Lost
                    && let Some(arrival) = arrival.take()
                {
                    // Whoever reports the loss knows more of it.
                    outcome.error = arrival.outcome.error;
                }
                let reason = state.cancel_reason;
                let closing =
                    Closing { cell, attempt, token, status, next, outcome, has_begun, reason };
                self.close_attempt(state, closing).map(drop)
            }
            Command::Withdraw { token, cell, .. } => {
                self.withdraw(state, token, cell);
                Ok(())
            }
            Command::Stop { .. } => Ok(()), // `expire` has raised the attempt's stop flag already.
            Command::Fence { token, reason } => {
                let execution = arrival.as_ref().map(|arrival| arrival.execution);
                self.fence(state, execution, token, reason)
            }
            Command::Finish { first, count, end } => self.finish_cells(state, first, count, end),
            Command::BackpressureApplied { pending, limit } => {
                state.backpressure = true;
                let (pending, limit) = (u64::from(pending), u64::from(limit));
                self.journal(state, EventBody::BackpressureApplied { pending, limit })
            }
            Command::BackpressureReleased { pending } => {
                state.backpressure = false;
                let pending = u64::from(pending);
                self.journal(state, EventBody::BackpressureReleased { pending })
            }
            Command::Release { worker } => {
                release(state, worker);
                Ok(())
            }
            Command::Phase { from, to } => self.change_phase(state, from, to),
        }
    }

    fn fence(
        &self,
        state: &mut State,
        execution: Option<&ExecutionId>,
        token: Token,
        reason: FenceReason,
    ) -> Result<(), EngineError> {
        let reason = fence_reason(reason).to_owned();
        let body = EventBody::AttemptFenced { token: token.0, reason };
        self.submit(state, UnitOfWork::of_events(vec![self.event(execution, body)]))
    }

    fn finish_cells(
        &self,
        state: &mut State,
        first: CellIndex,
        count: u32,
        end: CellEnd,
    ) -> Result<(), EngineError> {
        let status = execution_status(end);
        let (first, count) = (first.0 as usize, count as usize);
        for start in (first..first + count).step_by(FINISHED_PER_UNIT) {
            let cells = start..(start + FINISHED_PER_UNIT).min(first + count);
            let mut unit = UnitOfWork::default();
            for cell in &state.cells[cells] {
                let execution = cell.execution.clone();
                let reason = state.cancel_reason.to_owned();
                let body = EventBody::ExecutionCancelled { reason };
                unit.events.push(self.event(Some(&execution), body));
                unit.changes.push(Change::FinishExecution { execution, status, at: Clock::now() });
            }
            for _ in &unit.changes {
                state.recount(ExecutionStatus::Queued, status);
            }
            self.submit(state, unit)?;
        }
        Ok(())
    }

    fn change_phase(&self, state: &mut State, from: Phase, to: Phase) -> Result<(), EngineError> {
        match to {
            Phase::Paused => self.set_status(state, BatchStatus::Paused, EventBody::BatchPaused {}),
            Phase::Running if from == Phase::Paused => {
                self.set_status(state, BatchStatus::Running, EventBody::BatchResumed {})
            }
            Phase::Running | Phase::Draining => Ok(()),
            Phase::Finished(end) => {
                state.finished = Some(end);
                self.finish_if_scored(state)
            }
        }
    }
}

fn release(state: &mut State, worker: WorkerId) {
    if let Some(worker) = state.workers.get_mut(&worker.0) {
        worker.released = true;
        worker.wake.notify_all();
    }
}
