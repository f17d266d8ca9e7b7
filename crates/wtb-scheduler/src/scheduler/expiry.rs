//! How attempts end without an outcome: deadlines, lost workers, ended leases, cancellation.

use super::Scheduler;
use crate::{
    cell::{CellEnd, CellStatus},
    command::{Command, ExpireCause, Next},
    ids::{Token, WorkerId},
};

impl Scheduler {
    /// Fires everything that is due, in the order in which it fell due.
    pub(super) fn fire_due(&mut self, commands: &mut Vec<Command>) {
        loop {
            // What fell due first decides: an attempt whose worker's lease ended before the
            // deadline is lost, even when the clock jumped over both.
            let lease_first = match (self.leases.next(), self.deadlines.next()) {
                (Some(lease), Some(deadline)) => lease < deadline,
                (lease, _) => lease.is_some(),
            };
            let fired =
                if lease_first { self.fire_lease(commands) } else { self.fire_deadline(commands) };
            if !fired {
                break;
            }
        }
        while let Some((_, (cell, attempt))) = self.backoffs.pop_due(self.now) {
            let live = self.cells.get(cell).is_some_and(|cell| {
                cell.status() == CellStatus::Waiting && cell.attempts == attempt
            });
            if live {
                self.cells.set_status(cell, CellStatus::Queued);
            }
        }
    }

    fn fire_deadline(&mut self, commands: &mut Vec<Command>) -> bool {
        let Some((_, token)) = self.deadlines.pop_due(self.now) else {
            return false;
        };
        self.expire(token, ExpireCause::Timeout, commands);
        true
    }

    fn fire_lease(&mut self, commands: &mut Vec<Command>) -> bool {
        let Some((at, worker)) = self.leases.pop_due(self.now) else {
            return false;
        };
        if self.workers.lease_end(worker) == Some(at) {
            self.lose_worker(worker, ExpireCause::LeaseExpired, commands);
        }
        true
    }

    /// Gives up a worker: its attempts are lost, its request for work is dropped.
    pub(super) fn lose_worker(
        &mut self,
        worker: WorkerId,
        cause: ExpireCause,
        commands: &mut Vec<Command>,
    ) {
        for token in self.attempts.of_worker(worker) {
            if self.attempts.get_mut(token).is_some_and(|attempt| attempt.has_begun) {
                self.expire(token, cause, commands);
            } else {
                self.withdraw(token, commands);
                if cause != ExpireCause::Lost {
                    commands.push(Command::Stop { token, worker });
                }
            }
        }
        let was_parked = self.workers.remove(worker);
        // A silent worker may live and still wait; one that was reported gone does not.
        if was_parked && cause == ExpireCause::LeaseExpired {
            commands.push(Command::Release { worker });
        }
    }

    /// Takes an attempt back that has not begun, as if it had never been handed out.
    pub(super) fn withdraw(&mut self, token: Token, commands: &mut Vec<Command>) {
        let Some(attempt) = self.attempts.expire(token) else {
            return;
        };
        let (cell, worker) = (attempt.cell, attempt.worker);
        self.workers.attempt_ended(worker);
        self.cells.used(cell).attempts -= 1;
        self.cells.set_status(cell, CellStatus::Queued);
        commands.push(Command::Withdraw { token, cell, attempt: attempt.number, worker });
    }

    /// Ends a running attempt; does nothing when it does not run any more.
    pub(super) fn expire(&mut self, token: Token, cause: ExpireCause, commands: &mut Vec<Command>) {
        let Some(attempt) = self.attempts.expire(token) else {
            return;
        };
        let (cell, worker) = (attempt.cell, attempt.worker);
        self.workers.attempt_ended(worker);
        let next = match cause {
            ExpireCause::Timeout => self.after_failure(cell, CellEnd::TimedOut, None),
            ExpireCause::Lost | ExpireCause::LeaseExpired => self.after_loss(cell),
            ExpireCause::Cancelled => Next::Final { end: CellEnd::Cancelled, dead_letter: false },
        };
        match next {
            Next::Final { end, .. } => self.end_cell(cell, end, CellStatus::Ended(end)),
            Next::Retry { at } => self.send_back(cell, at),
        }
        let attempt = attempt.number;
        commands.push(Command::Expire { token, cell, attempt, worker, cause, next });
        if cause != ExpireCause::Lost {
            commands.push(Command::Stop { token, worker });
        }
    }
}
