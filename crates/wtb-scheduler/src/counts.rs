//! How many cells stand where. Kept up to date with every change, so that reading costs nothing.

use crate::cell::{CellEnd, CellStatus};

/// The cells of a batch by status. `queued + waiting + running` and the six ends add up to all
/// cells; `unsettled` is a part of the ends, and `retried` counts decisions, not cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cells that can run now.
    pub queued: u32,
    /// Cells in a backoff.
    pub waiting: u32,
    /// Cells with a running attempt.
    pub running: u32,
    /// Cells that ended but whose evaluators are still at work.
    pub unsettled: u32,
    /// Cells that succeeded.
    pub succeeded: u32,
    /// Cells that failed for good.
    pub failed: u32,
    /// Cells that timed out for good.
    pub timed_out: u32,
    /// Cells that were cancelled.
    pub cancelled: u32,
    /// Cells that await an answer.
    pub interrupted: u32,
    /// Cells that stopped at a breakpoint.
    pub paused: u32,
    /// How often this scheduler sent a cell back for another attempt.
    pub retried: u64,
}

impl Counts {
    /// Returns how many cells have ended, settled or not.
    #[must_use]
    pub const fn ended(&self) -> u32 {
        self.succeeded
            + self.failed
            + self.timed_out
            + self.cancelled
            + self.interrupted
            + self.paused
    }

    /// Returns how many cells there are.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.queued + self.waiting + self.running + self.ended()
    }

    /// Returns how many cells count against the window.
    #[must_use]
    pub const fn pending(&self) -> u32 {
        self.running + self.unsettled
    }

    /// Returns how many cells have not ended or are not settled.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.queued + self.waiting + self.running + self.unsettled
    }

    pub(crate) fn enter(&mut self, status: CellStatus) {
        *self.of(status) += 1;
        if let CellStatus::Unsettled(_) = status {
            self.unsettled += 1;
        }
    }

    pub(crate) fn leave(&mut self, status: CellStatus) {
        *self.of(status) -= 1;
        if let CellStatus::Unsettled(_) = status {
            self.unsettled -= 1;
        }
    }

    const fn of(&mut self, status: CellStatus) -> &mut u32 {
        match status {
            CellStatus::Queued => &mut self.queued,
            CellStatus::Waiting => &mut self.waiting,
            CellStatus::Running => &mut self.running,
            CellStatus::Unsettled(end) | CellStatus::Ended(end) => match end {
                CellEnd::Succeeded => &mut self.succeeded,
                CellEnd::Failed => &mut self.failed,
                CellEnd::TimedOut => &mut self.timed_out,
                CellEnd::Cancelled => &mut self.cancelled,
                CellEnd::Interrupted => &mut self.interrupted,
                CellEnd::Paused => &mut self.paused,
            },
        }
    }
}
