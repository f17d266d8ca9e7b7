//! What workers and evaluators report, and what becomes of a cell when one of its attempts ends.

use super::Scheduler;
use crate::{
    cell::{CellEnd, CellStatus},
    command::{Command, ExpireCause, Next, Phase},
    ids::{CellIndex, Group, Millis, Token, WorkerId},
    input::{AttemptEnd, Input},
    rng,
};

impl Scheduler {
    pub(super) fn apply_report(&mut self, report: Input, commands: &mut Vec<Command>) {
        match report {
            Input::WorkerIdle { worker, slots, group } => {
                self.worker_idle(worker, slots, group, commands);
            }
            Input::WorkerGone { worker } => {
                self.lose_worker(worker, ExpireCause::Lost, commands);
            }
            Input::Heartbeat { worker } => self.renew_lease(worker),
            Input::Began { token } => self.begin(token),
            Input::Returned { token } => {
                if self.attempts.get_mut(token).is_some_and(|attempt| !attempt.has_begun) {
                    self.withdraw(token, commands);
                }
            }
            Input::Lost { token } => self.expire(token, ExpireCause::Lost, commands),
            Input::Completed { token, end } => self.complete(token, end, commands),
            Input::Settled { cell } => {
                if let Some(CellStatus::Unsettled(end)) = self.status(cell) {
                    self.cells.set_status(cell, CellStatus::Ended(end));
                }
            }
            Input::Tick
            | Input::Pause
            | Input::Resume
            | Input::Drain
            | Input::Cancel
            | Input::CancelCell { .. }
            | Input::Requeue { .. } => {}
        }
    }

    fn worker_idle(
        &mut self,
        worker: WorkerId,
        slots: u32,
        group: Group,
        commands: &mut Vec<Command>,
    ) {
        if matches!(self.phase, Phase::Draining | Phase::Finished(_)) {
            self.renew_lease(worker);
            if slots > 0 {
                commands.push(Command::Release { worker });
            }
        } else if let Some(at) = self.workers.set_slots(worker, group, slots, self.now) {
            self.leases.push(at, worker);
        }
    }

    fn renew_lease(&mut self, worker: WorkerId) {
        if let Some(at) = self.workers.renew(worker, self.now) {
            self.leases.push(at, worker);
        }
    }

    fn begin(&mut self, token: Token) {
        let Some(attempt) = self.attempts.get_mut(token) else {
            return;
        };
        let worker = attempt.worker;
        if !std::mem::replace(&mut attempt.has_begun, true) {
            self.set_deadline(token);
            self.renew_lease(worker);
        }
    }

    fn complete(&mut self, token: Token, end: AttemptEnd, commands: &mut Vec<Command>) {
        let Some(attempt) = self.attempts.accept(token) else {
            let reason = self.attempts.refusal(token);
            commands.push(Command::Fence { token, reason });
            return;
        };
        self.renew_lease(attempt.worker);
        self.workers.attempt_ended(attempt.worker);
        let cell = attempt.cell;
        let next = self.after_outcome(cell, end);
        match next {
            Next::Final { end, .. } if self.config.settle => {
                self.end_cell(cell, end, CellStatus::Unsettled(end));
            }
            Next::Final { end, .. } => self.end_cell(cell, end, CellStatus::Ended(end)),
            Next::Retry { at } => self.send_back(cell, at),
        }
        commands.push(Command::Accept { token, cell, attempt: attempt.number, end, next });
    }

    fn after_outcome(&mut self, cell: CellIndex, end: AttemptEnd) -> Next {
        let through = |end| Next::Final { end, dead_letter: false };
        match end {
            AttemptEnd::Succeeded => through(CellEnd::Succeeded),
            AttemptEnd::Cancelled => through(CellEnd::Cancelled),
            AttemptEnd::Interrupted => through(CellEnd::Interrupted),
            AttemptEnd::Paused => through(CellEnd::Paused),
            AttemptEnd::TimedOut => self.after_failure(cell, CellEnd::TimedOut, None),
            AttemptEnd::Failed { retryable: true, retry_after } => {
                self.after_failure(cell, CellEnd::Failed, retry_after)
            }
            AttemptEnd::Failed { retryable: false, .. } => {
                Next::Final { end: CellEnd::Failed, dead_letter: true }
            }
        }
    }

    /// Charges a failure to the cell's retry budget and says what becomes of the cell.
    pub(super) fn after_failure(
        &mut self,
        cell: CellIndex,
        end: CellEnd,
        retry_after: Option<Millis>,
    ) -> Next {
        let used = self.cells.used(cell);
        used.failures = used.failures.saturating_add(1);
        if used.failures > self.config.retries {
            return Next::Final { end, dead_letter: true };
        }
        // Hashed, not drawn from a stream: the wait must not depend on what other cells do.
        let random = rng::hash(self.config.seed, u64::from(cell.0), u64::from(used.attempts));
        let wait = self.config.backoff.delay(used.failures, random);
        let wait = wait.max(retry_after.unwrap_or_default());
        Next::Retry { at: self.now.saturating_add(wait) }
    }

    /// Charges a loss to the cell and says what becomes of the cell.
    pub(super) fn after_loss(&mut self, cell: CellIndex) -> Next {
        let used = self.cells.used(cell);
        used.losses = used.losses.saturating_add(1);
        if used.losses > self.config.max_losses {
            return Next::Final { end: CellEnd::Failed, dead_letter: true };
        }
        Next::Retry { at: self.now }
    }
}
