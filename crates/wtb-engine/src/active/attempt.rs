//! The life of an attempt: handed to a worker, expired, closed with its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wtb_model::{AttemptOutcome, AttemptStatus, EventBody, ExecutionStatus};
use wtb_scheduler::{CellIndex, Millis, Next, Token, WorkerId};
use wtb_store::{AttemptStart, Change, Lease, UnitOfWork};

use super::ActiveBatch;
use super::report::{ended, execution_status, one_line, retrying, tracking};
use super::state::{Running, State};
use super::workers::Task;
use crate::clock::Clock;
use crate::{EngineError, Failure};

/// An attempt that is over, and what becomes of its execution.
pub(super) struct Closing<'reason> {
    pub(super) cell: CellIndex,
    pub(super) attempt: u32,
    pub(super) token: Token,
    pub(super) status: AttemptStatus,
    pub(super) next: Next,
    pub(super) outcome: AttemptOutcome,
    /// Whether it had begun, as far as is known here.
    pub(super) has_begun: bool,
    /// Why it was cancelled, in case that it was.
    pub(super) reason: &'reason str,
}

impl ActiveBatch {
    /// Hands an attempt to a worker that waits.
    pub(super) fn start(
        &self,
        state: &mut State,
        worker: WorkerId,
        cell: CellIndex,
        attempt: u32,
        token: Token,
        deadline: Option<Millis>,
    ) -> Result<(), EngineError> {
        let Some(slot) = state.workers.get_mut(&worker.0) else {
            return Ok(());
        };
        let info = &mut state.cells[cell.0 as usize];
        if self.checkpointed {
            info.open_lineage();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let started_ms = state.now_ms;
        let deadline_ms = deadline.map(|Millis(at)| at.saturating_sub(started_ms));
        slot.ready.push_back(Task::new(info, attempt, token.0, deadline_ms, Arc::clone(&stop)));
        slot.slots -= 1;
        slot.wake.notify_all();
        let has_begun = !self.hands_ahead;
        let running = Running { worker: worker.0, cell, attempt, started_ms, has_begun, stop };
        state.running.insert(token.0, running);
        if !has_begun {
            return Ok(());
        }
        let start = AttemptStart {
            session: self.session.clone(),
            execution: info.execution.clone(),
            attempt,
            token: token.0,
            worker: slot.name.clone(),
            lineages: info.lineages,
            at: Clock::now(),
        };
        let body = EventBody::ExecutionStarted {
            attempt,
            worker: slot.name.clone(),
            variant: state.variants[info.variant as usize].clone(),
            case: state.cases[info.case as usize].clone(),
            repeat: info.repeat,
        };
        let event = self.event(Some(&info.execution), body);
        state.recount(ExecutionStatus::Queued, ExecutionStatus::Running);
        self.submit(state, UnitOfWork::new(Change::StartAttempt(start), event))
    }

    /// Asks whoever holds the attempt to stop, and keeps an eye on workers that do not. Returns how
    /// long the attempt had lasted, in microseconds, and whether it had begun.
    pub(super) fn expire(&self, state: &mut State, token: Token) -> (u64, bool) {
        let Some(running) = state.running.remove(&token.0) else {
            return (0, true);
        };
        running.stop.store(true, Ordering::Relaxed);
        let now_ms = self.clock.elapsed_ms();
        if let Some(worker) = state.workers.get_mut(&running.worker) {
            let seen = worker.ready.len();
            worker.ready.retain(|task| task.token != token.0);
            if worker.ready.len() < seen {
                // Its worker never saw it, and asks for another one.
                worker.wake.notify_all();
            } else if self.hands_ahead {
                worker.stops.push(token.0);
                worker.wake.notify_all();
            } else {
                state.stuck.push((running.worker, now_ms));
            }
        }
        if !running.has_begun {
            return (0, false);
        }
        (now_ms.saturating_sub(running.started_ms).saturating_mul(1_000), true)
    }

    /// Stores how an attempt ended; returns whether evaluators have to see it.
    pub(super) fn close_attempt(
        &self,
        state: &mut State,
        closing: Closing<'_>,
    ) -> Result<bool, EngineError> {
        let Closing { cell, attempt, token, status, next, outcome, has_begun, reason } = closing;
        if !has_begun {
            // Its worker had no time to say so.
            state.recount(ExecutionStatus::Queued, ExecutionStatus::Running);
        }
        let execution = state.cells[cell.0 as usize].execution.clone();
        let (next_status, dead_letter) = match next {
            Next::Retry { .. } => (ExecutionStatus::Queued, false),
            Next::Final { end, dead_letter } => {
                (execution_status(end), dead_letter && !execution.is_continuation())
            }
        };
        let body = match next {
            Next::Retry { at } => {
                let backoff_ms = at.0.saturating_sub(self.clock.elapsed_ms());
                retrying(attempt, status, backoff_ms, &outcome)
            }
            Next::Final { .. } if !has_begun && next_status == ExecutionStatus::Cancelled => {
                EventBody::ExecutionCancelled { reason: reason.to_owned() }
            }
            Next::Final { .. } => ended(attempt, next_status, dead_letter, &outcome, reason),
        };
        let files = tracking(attempt, &outcome).map(|body| self.event(Some(&execution), body));
        let to_score = self.scored && next_status == ExecutionStatus::Succeeded;
        count_end(state, cell, next_status, &outcome);
        let change = Change::FinishAttempt {
            execution: execution.clone(),
            attempt,
            token: token.0,
            status,
            next: next_status,
            dead_letter,
            outcome: Box::new(outcome),
            settled: !to_score,
            handed_ahead: self.hands_ahead,
            at: Clock::now(),
        };
        let mut unit = UnitOfWork::new(change, self.event(Some(&execution), body));
        unit.events.splice(0..0, files);
        self.submit(state, unit)?;
        if to_score && let Some(ticket) = state.unconfirmed.pop_back() {
            state.scorable.push_back((Some(cell), execution, Some(ticket)));
            self.scorable.notify_one();
        }
        Ok(to_score)
    }

    /// Sends every execution under way back to the queue, for a later session.
    pub(super) fn give_back_running(&self, state: &mut State) -> Result<(), EngineError> {
        let mut running: Vec<_> = state.running.drain().collect();
        running.sort_unstable_by_key(|(token, _)| *token);
        for (token, running) in running {
            running.stop(token, &mut state.workers);
            let execution = state.cells[running.cell.0 as usize].execution.clone();
            if !running.has_begun {
                let lease = Lease { execution, token };
                self.submit(state, UnitOfWork::silent(Change::RevokeLease { lease }))?;
                continue;
            }
            state.recount(ExecutionStatus::Running, ExecutionStatus::Queued);
            let change = Change::FinishAttempt {
                execution: execution.clone(),
                attempt: running.attempt,
                token,
                status: AttemptStatus::Cancelled,
                next: ExecutionStatus::Queued,
                dead_letter: false,
                outcome: Box::default(),
                settled: true,
                handed_ahead: false,
                at: Clock::now(),
            };
            let body = EventBody::ExecutionRetrying {
                attempt: running.attempt,
                cause: AttemptStatus::Cancelled.to_string(),
                message: "the session stopped before the attempt had ended".to_owned(),
                backoff_ms: 0,
            };
            let unit = UnitOfWork::new(change, self.event(Some(&execution), body));
            self.submit(state, unit)?;
        }
        Ok(())
    }
}

fn count_end(state: &mut State, cell: CellIndex, next: ExecutionStatus, outcome: &AttemptOutcome) {
    state.recount(ExecutionStatus::Running, next);
    if next == ExecutionStatus::Queued {
        state.retried += 1;
        return;
    }
    state.ended_here += 1;
    if next.is_error() {
        let info = &state.cells[cell.0 as usize];
        let failure = Failure {
            execution: info.execution.to_string(),
            variant: state.variants[info.variant as usize].clone(),
            case: state.cases[info.case as usize].clone(),
            node: outcome.error.as_ref().and_then(|error| error.node.clone()),
            message: outcome.error.as_ref().map(one_line).unwrap_or_default(),
        };
        state.remember(failure);
    }
}
