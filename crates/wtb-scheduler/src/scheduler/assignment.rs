//! Giving ready cells to waiting workers, within the limits, and saying when a limit bites.

use super::Scheduler;
use crate::{
    attempts::Attempt,
    cell::CellStatus,
    command::{Command, Phase},
    ids::{Millis, Token},
};

/// A limit that is met: how much counts against it, and the limit.
struct Pressure {
    pending: u32,
    limit: u32,
}

impl Scheduler {
    pub(super) fn assign(&mut self, commands: &mut Vec<Command>) {
        if self.phase != Phase::Running {
            return;
        }
        while self.has_unserved_worker() && self.pressure().is_none() {
            if !self.start_next(commands) {
                break;
            }
        }
        self.report_pressure(commands);
    }

    /// Starts the next ready cell that a worker waits for, on the next of those.
    fn start_next(&mut self, commands: &mut Vec<Command>) -> bool {
        let (workers, cells) = (&self.workers, &mut self.cells);
        let next = |group| cells.next_ready(group).map(|cell| (cell, group));
        let Some((cell, group)) = workers.parked_groups().filter_map(next).min() else {
            return false;
        };
        let Some(worker) = self.workers.take_slot(group) else {
            return false;
        };
        self.cells.set_status(cell, CellStatus::Running);
        let used = self.cells.used(cell);
        used.attempts = used.attempts.saturating_add(1);
        let attempt = used.attempts;
        let has_begun = !self.config.hands_ahead;
        let token = self.attempts.start(Attempt { cell, number: attempt, worker, has_begun });
        let deadline = if has_begun { self.set_deadline(token) } else { None };
        commands.push(Command::Start { worker, cell, attempt, token, deadline });
        true
    }

    /// Has the time of an attempt run from now on.
    pub(super) fn set_deadline(&mut self, token: Token) -> Option<Millis> {
        let at = self.now.saturating_add(self.config.attempt_timeout?);
        self.deadlines.push(at, token);
        Some(at)
    }

    fn has_unserved_worker(&self) -> bool {
        self.workers.parked_groups().any(|group| self.cells.queued(group) > 0)
    }

    fn pressure(&self) -> Option<Pressure> {
        let counts = self.counts();
        let window = Pressure { pending: counts.pending(), limit: self.config.window };
        let in_flight = Pressure { pending: counts.running, limit: self.config.max_in_flight };
        [window, in_flight].into_iter().find(|met| met.pending >= met.limit)
    }

    fn report_pressure(&mut self, commands: &mut Vec<Command>) {
        let pressure = if self.has_unserved_worker() { self.pressure() } else { None };
        match (self.under_pressure, pressure) {
            (false, Some(Pressure { pending, limit })) => {
                commands.push(Command::BackpressureApplied { pending, limit });
            }
            (true, None) => {
                let pending = self.counts().pending();
                commands.push(Command::BackpressureReleased { pending });
            }
            _ => return,
        }
        self.under_pressure = !self.under_pressure;
    }
}
