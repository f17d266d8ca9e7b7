//! Carries out the scheduler's commands: each becomes at most one unit of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wtb_model::{
    AttemptOutcome, AttemptStatus, BatchStatus, ErrorInfo, EventBody, ExecutionStatus,
};
use wtb_scheduler::{
    AttemptEnd, CellEnd, CellIndex, Command, ExpireCause, FenceReason, Input, Millis, Next, Phase,
    Token, WorkerId,
};
use wtb_store::{AttemptStart, Change, UnitOfWork};

use super::ActiveBatch;
use super::state::{Running, State};
use super::workers::{Delivery, Task};
use crate::clock::Clock;
use crate::{EngineError, Failure};

/// An attempt that is over, and what becomes of its execution.
struct Closing {
    cell: CellIndex,
    attempt: u32,
    token: Token,
    status: AttemptStatus,
    next: Next,
    outcome: AttemptOutcome,
}

impl ActiveBatch {
    pub(super) fn apply(
        &self,
        state: &mut State,
        command: Command,
        delivery: &mut Option<Delivery>,
        inputs: &mut Vec<Input>,
    ) -> Result<(), EngineError> {
        match command {
            Command::Start {
                worker,
                cell,
                attempt,
                token,
                deadline,
            } => self.start(state, worker, cell, attempt, token, deadline),
            Command::Accept {
                token,
                cell,
                attempt,
                end,
                next,
            } => {
                let outcome = delivery
                    .take()
                    .map(|delivery| delivery.outcome)
                    .unwrap_or_default();
                if let Some(running) = state.running.remove(&token.0)
                    && let Some(worker) = state.workers.get_mut(&running.worker)
                {
                    worker.completed += 1;
                }
                let status = attempt_status(end);
                let closing = Closing {
                    cell,
                    attempt,
                    token,
                    status,
                    next,
                    outcome,
                };
                let to_score = self.close_attempt(state, closing)?;
                // What no evaluator has to see is settled at once.
                if self.scored && !to_score && matches!(next, Next::Final { .. }) {
                    inputs.push(Input::Settled { cell });
                }
                Ok(())
            }
            Command::Expire {
                token,
                cell,
                attempt,
                worker,
                cause,
                next,
            } => {
                self.expire(state, token, worker, cause);
                let (status, outcome) = expired(cause, attempt);
                let closing = Closing {
                    cell,
                    attempt,
                    token,
                    status,
                    next,
                    outcome,
                };
                self.close_attempt(state, closing).map(drop)
            }
            Command::Stop { .. } => Ok(()), // `expire` has raised the attempt's stop flag already.
            Command::Fence { token, reason } => {
                let reason = match reason {
                    FenceReason::Stale => "the attempt had expired",
                    FenceReason::Duplicate => "the attempt was completed before",
                    FenceReason::Unknown => "no attempt has this token",
                };
                self.journal_fenced(state, token.0, reason)
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
                if let Some(worker) = state.workers.get_mut(&worker.0) {
                    worker.released = true;
                    worker.wake.notify_all();
                }
                Ok(())
            }
            Command::Phase { from, to } => self.change_phase(state, from, to),
        }
    }

    pub(super) fn journal(&self, state: &mut State, body: EventBody) -> Result<(), EngineError> {
        self.submit(state, UnitOfWork::of_events(vec![self.event(None, body)]))
    }

    pub(super) fn journal_fenced(
        &self,
        state: &mut State,
        token: u64,
        reason: &str,
    ) -> Result<(), EngineError> {
        self.journal(
            state,
            EventBody::AttemptFenced {
                token,
                reason: reason.to_owned(),
            },
        )
    }

    fn start(
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
        let info = &state.cells[cell.0 as usize];
        let stop = Arc::new(AtomicBool::new(false));
        let now_ms = self.clock.elapsed_ms();
        let deadline_ms = deadline.map(|Millis(at)| at.saturating_sub(now_ms));
        slot.ready = Some(Task::new(
            info,
            attempt,
            token.0,
            deadline_ms,
            Arc::clone(&stop),
        ));
        slot.wake.notify_all();
        let start = AttemptStart {
            execution: info.execution.clone(),
            attempt,
            token: token.0,
            worker: slot.name.clone(),
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
        state.running.insert(
            token.0,
            Running {
                worker: worker.0,
                stop,
            },
        );
        state.counts.queued -= 1;
        state.counts.running += 1;
        self.submit(state, UnitOfWork::new(Change::StartAttempt(start), event))
    }

    /// Asks whoever holds the attempt to stop, and keeps an eye on workers that do not.
    fn expire(&self, state: &mut State, token: Token, worker: WorkerId, cause: ExpireCause) {
        if let Some(running) = state.running.remove(&token.0) {
            running.stop.store(true, Ordering::Relaxed);
        }
        if cause == ExpireCause::Timeout && state.workers.contains_key(&worker.0) {
            state.stuck.push((worker.0, self.clock.elapsed_ms()));
        }
    }

    /// Stores how an attempt ended; returns whether evaluators have to see it.
    fn close_attempt(&self, state: &mut State, closing: Closing) -> Result<bool, EngineError> {
        let Closing {
            cell,
            attempt,
            token,
            status,
            next,
            outcome,
        } = closing;
        let execution = state.cells[cell.0 as usize].execution.clone();
        let (next_status, dead_letter) = match next {
            Next::Retry { .. } => (ExecutionStatus::Queued, false),
            Next::Final { end, dead_letter } => (execution_status(end), dead_letter),
        };
        let body = match next {
            Next::Retry { at } => {
                let backoff_ms = at.0.saturating_sub(self.clock.elapsed_ms());
                retrying(attempt, status, backoff_ms, &outcome)
            }
            Next::Final { .. } => ended(attempt, next_status, dead_letter, &outcome),
        };
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
            at: Clock::now(),
        };
        let unit = UnitOfWork::new(change, self.event(Some(&execution), body));
        if to_score {
            let ticket = self.store.submit(unit)?;
            state
                .scorable
                .push_back((Some(cell.0), execution, Some(ticket)));
            self.scorable.notify_one();
        } else {
            self.submit(state, unit)?;
        }
        Ok(to_score)
    }

    fn finish_cells(
        &self,
        state: &mut State,
        first: CellIndex,
        count: u32,
        end: CellEnd,
    ) -> Result<(), EngineError> {
        let status = execution_status(end);
        for cell in first.0..first.0 + count {
            let execution = state.cells[cell as usize].execution.clone();
            state.counts.queued -= 1;
            *state.counts.of(status) += 1;
            let body = EventBody::ExecutionCancelled {
                reason: state.cancel_reason.clone(),
            };
            let event = self.event(Some(&execution), body);
            let change = Change::FinishExecution {
                execution,
                status,
                at: Clock::now(),
            };
            self.submit(state, UnitOfWork::new(change, event))?;
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

fn count_end(state: &mut State, cell: CellIndex, next: ExecutionStatus, outcome: &AttemptOutcome) {
    state.counts.running -= 1;
    *state.counts.of(next) += 1;
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

fn retrying(
    attempt: u32,
    status: AttemptStatus,
    backoff_ms: u64,
    outcome: &AttemptOutcome,
) -> EventBody {
    let message = outcome.error.as_ref().map(one_line).unwrap_or_default();
    EventBody::ExecutionRetrying {
        attempt,
        cause: status.to_string(),
        message,
        backoff_ms,
    }
}

fn ended(
    attempt: u32,
    status: ExecutionStatus,
    dead_letter: bool,
    outcome: &AttemptOutcome,
) -> EventBody {
    match status {
        ExecutionStatus::Failed => {
            let error = outcome.error.clone();
            EventBody::ExecutionFailed {
                attempt,
                node: error.as_ref().and_then(|error| error.node.clone()),
                error: error
                    .as_ref()
                    .map(|error| error.kind.clone())
                    .unwrap_or_default(),
                message: error.map(|error| error.message).unwrap_or_default(),
                dead_letter,
            }
        }
        ExecutionStatus::TimedOut => EventBody::ExecutionTimedOut {
            attempt,
            dead_letter,
        },
        ExecutionStatus::Interrupted => EventBody::ExecutionInterrupted { attempt },
        ExecutionStatus::Paused => EventBody::ExecutionPaused { attempt },
        ExecutionStatus::Cancelled => {
            let reason = format!("stopped during attempt {attempt}");
            EventBody::ExecutionCancelled { reason }
        }
        ExecutionStatus::Succeeded | ExecutionStatus::Queued | ExecutionStatus::Running => {
            let logged = outcome.metrics.iter();
            EventBody::ExecutionSucceeded {
                attempt,
                duration_us: outcome.duration_us,
                nodes: outcome.nodes.len() as u64,
                metrics: logged
                    .filter_map(|score| score.value.map(|value| (score.name.clone(), value)))
                    .collect(),
            }
        }
    }
}

const fn attempt_status(end: AttemptEnd) -> AttemptStatus {
    match end {
        AttemptEnd::Succeeded => AttemptStatus::Succeeded,
        AttemptEnd::Failed { .. } => AttemptStatus::Failed,
        AttemptEnd::TimedOut => AttemptStatus::TimedOut,
        AttemptEnd::Cancelled => AttemptStatus::Cancelled,
        AttemptEnd::Interrupted => AttemptStatus::Interrupted,
        AttemptEnd::Paused => AttemptStatus::Paused,
    }
}

const fn execution_status(end: CellEnd) -> ExecutionStatus {
    match end {
        CellEnd::Succeeded => ExecutionStatus::Succeeded,
        CellEnd::Failed => ExecutionStatus::Failed,
        CellEnd::TimedOut => ExecutionStatus::TimedOut,
        CellEnd::Cancelled => ExecutionStatus::Cancelled,
        CellEnd::Interrupted => ExecutionStatus::Interrupted,
        CellEnd::Paused => ExecutionStatus::Paused,
    }
}

fn expired(cause: ExpireCause, attempt: u32) -> (AttemptStatus, AttemptOutcome) {
    let (status, kind, message) = match cause {
        ExpireCause::Timeout => {
            let message = format!("attempt {attempt} outlived its deadline");
            (AttemptStatus::TimedOut, "TimeoutError", message)
        }
        ExpireCause::Lost => (
            AttemptStatus::Lost,
            "WorkerLostError",
            "the worker was lost".to_owned(),
        ),
        ExpireCause::LeaseExpired => (
            AttemptStatus::Lost,
            "WorkerLostError",
            "the worker fell silent".to_owned(),
        ),
        ExpireCause::Cancelled => return (AttemptStatus::Cancelled, AttemptOutcome::default()),
    };
    let error = ErrorInfo {
        kind: kind.to_owned(),
        message,
        traceback: None,
        node: None,
    };
    (
        status,
        AttemptOutcome {
            error: Some(error),
            ..AttemptOutcome::default()
        },
    )
}

fn one_line(error: &ErrorInfo) -> String {
    let message = error.message.lines().next().unwrap_or_default();
    format!("{}: {message}", error.kind)
}
