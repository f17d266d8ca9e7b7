//! What people ask for: which requests make sense when, and what they do.

use super::Scheduler;
use crate::{
    cell::{CellEnd, CellStatus},
    command::{BatchEnd, Command, ExpireCause, Phase},
    error::SchedulerError,
    ids::CellIndex,
    input::Input,
};

impl Scheduler {
    /// Refuses an input that makes no sense as things stand.
    pub(super) fn check(&self, input: &Input) -> Result<(), SchedulerError> {
        self.check_phase(input)?;
        let (Input::Settled { cell } | Input::CancelCell { cell } | Input::Requeue { cell }) =
            *input
        else {
            return Ok(());
        };
        let Some(status) = self.status(cell) else {
            return Err(SchedulerError::UnknownCell { cell, cells: self.cells.len() });
        };
        let legal = match (input, status) {
            (Input::CancelCell { .. }, status) => {
                !matches!(status, CellStatus::Unsettled(_) | CellStatus::Ended(_))
            }
            (Input::Requeue { .. }, CellStatus::Ended(end)) => end != CellEnd::Succeeded,
            (Input::Requeue { .. }, _) => false,
            (_, status) => matches!(status, CellStatus::Unsettled(_) | CellStatus::Ended(_)),
        };
        if legal {
            Ok(())
        } else {
            Err(SchedulerError::IllegalCell { request: *input, cell, status })
        }
    }

    fn check_phase(&self, input: &Input) -> Result<(), SchedulerError> {
        let legal = match input {
            Input::Pause => self.phase == Phase::Running,
            Input::Resume => self.phase == Phase::Paused,
            Input::Drain => matches!(self.phase, Phase::Running | Phase::Paused),
            _ => !(input.is_request() && self.phase.is_finished()),
        };
        if legal {
            Ok(())
        } else {
            Err(SchedulerError::IllegalPhase { request: *input, phase: self.phase })
        }
    }

    /// Carries out a request that was checked.
    pub(super) fn apply_request(&mut self, request: Input, commands: &mut Vec<Command>) {
        match request {
            Input::Pause => self.enter_phase(Phase::Paused, commands),
            Input::Resume => self.enter_phase(Phase::Running, commands),
            Input::Drain => self.enter_phase(Phase::Draining, commands),
            Input::Cancel => self.end_batch(BatchEnd::Cancelled, commands),
            Input::CancelCell { cell } => self.cancel_cell(cell, commands),
            Input::Requeue { cell } => self.requeue(cell),
            Input::WorkerIdle { .. }
            | Input::WorkerGone { .. }
            | Input::Heartbeat { .. }
            | Input::Began { .. }
            | Input::Returned { .. }
            | Input::Lost { .. }
            | Input::Completed { .. }
            | Input::Settled { .. }
            | Input::Tick => {}
        }
    }

    fn cancel_cell(&mut self, cell: CellIndex, commands: &mut Vec<Command>) {
        if let Some(token) = self.attempts.of_cell(cell) {
            self.expire(token, ExpireCause::Cancelled, commands);
        } else {
            let end = CellEnd::Cancelled;
            self.cells.set_status(cell, CellStatus::Ended(end));
            commands.push(Command::Finish { first: cell, count: 1, end });
        }
    }

    fn requeue(&mut self, cell: CellIndex) {
        let used = self.cells.used(cell);
        used.failures = 0;
        used.losses = 0;
        self.cells.set_status(cell, CellStatus::Queued);
    }
}
