//! How cells come to rest and how the batch changes its phase, up to its end.

use super::Scheduler;
use crate::{
    cell::{CellEnd, CellStatus},
    command::{BatchEnd, Command, ExpireCause, Phase},
    ids::{CellIndex, Millis},
};

impl Scheduler {
    /// Ends a cell that was running.
    pub(super) fn end_cell(&mut self, cell: CellIndex, end: CellEnd, status: CellStatus) {
        self.cells.set_status(cell, status);
        let failed = matches!(end, CellEnd::Failed | CellEnd::TimedOut);
        if failed || end == CellEnd::Succeeded {
            self.sampled = self.sampled.saturating_add(1);
            self.sampled_failures = self.sampled_failures.saturating_add(u32::from(failed));
        }
    }

    /// Sends a cell that was running back to the queue, at once or at `at`.
    pub(super) fn send_back(&mut self, cell: CellIndex, at: Millis) {
        self.cells.counts.retried += 1;
        if at <= self.now {
            self.cells.set_status(cell, CellStatus::Queued);
            return;
        }
        self.cells.set_status(cell, CellStatus::Waiting);
        let attempt = self.cells.used(cell).attempts;
        self.backoffs.push(at, (cell, attempt));
    }

    /// Gives the batch up when too many cells failed. A draining batch starts nothing anyway and
    /// is to stay resumable.
    pub(super) fn give_up_if_hopeless(&mut self, commands: &mut Vec<Command>) {
        let Some(fail_fast) = self.config.fail_fast else {
            return;
        };
        let can_start = matches!(self.phase, Phase::Running | Phase::Paused);
        if can_start && fail_fast.is_reached(self.sampled_failures, self.sampled) {
            self.end_batch(BatchEnd::FailedFast, commands);
        }
    }

    /// Finishes the batch when nothing is left to do or, while draining, nothing is under way.
    pub(super) fn finish_if_through(&mut self, commands: &mut Vec<Command>) {
        let counts = self.counts();
        let end = match self.phase {
            Phase::Finished(_) => return,
            _ if counts.open() == 0 => BatchEnd::Completed,
            Phase::Draining if counts.pending() == 0 => BatchEnd::Drained,
            Phase::Running | Phase::Paused | Phase::Draining => return,
        };
        self.enter_phase(Phase::Finished(end), commands);
    }

    /// Ends everything that has not ended yet, and with it the batch.
    pub(super) fn end_batch(&mut self, end: BatchEnd, commands: &mut Vec<Command>) {
        for token in self.attempts.tokens() {
            self.expire(token, ExpireCause::Cancelled, commands);
        }
        let cancelled = CellEnd::Cancelled;
        self.cells.end_all(cancelled, |first, count| {
            commands.push(Command::Finish { first, count, end: cancelled });
        });
        self.enter_phase(Phase::Finished(end), commands);
    }

    pub(super) fn enter_phase(&mut self, to: Phase, commands: &mut Vec<Command>) {
        let from = std::mem::replace(&mut self.phase, to);
        if to != Phase::Running && self.under_pressure {
            self.under_pressure = false;
            commands.push(Command::BackpressureReleased { pending: self.counts().pending() });
        }
        if matches!(to, Phase::Draining | Phase::Finished(_)) {
            let parked = self.workers.unpark_all();
            commands.extend(parked.into_iter().map(|worker| Command::Release { worker }));
        }
        if to.is_finished() {
            self.workers.clear();
            self.deadlines.clear();
            self.leases.clear();
            self.backoffs.clear();
        }
        commands.push(Command::Phase { from, to });
    }
}
