//! A model of what units do to states and owners, written without a database in mind.

use wtb_model::{AttemptStatus, BatchStatus, ExecutionStatus};

/// How many executions there are.
pub(crate) const CELLS: usize = 3;

/// One step, with everything that may be wrong about it drawn at random.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Start { session: u64, cell: usize, lease: (u32, u64) },
    Finish { cell: usize, lease: (u32, u64), status: AttemptStatus, next: ExecutionStatus },
    Cancel { cell: usize },
    Requeue { cell: usize },
    Score { cell: usize },
    Claim { session: u64, from: Option<u64> },
    Release { session: u64 },
    SetStatus { session: u64, status: BatchStatus },
    Close { session: u64 },
}

/// What the rows must say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub(crate) status: ExecutionStatus,
    pub(crate) attempts: u32,
    pub(crate) token: u64,
    pub(crate) settled: bool,
    pub(crate) dead_letter: bool,
    /// The attempt under way.
    pub(crate) live: Option<u32>,
    /// The numbers of all attempts, as bits.
    pub(crate) used: u32,
    pub(crate) scored: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) cells: [Cell; CELLS],
    pub(crate) owner: Option<u64>,
    pub(crate) ended: [bool; 2],
    pub(crate) status: BatchStatus,
}

impl World {
    pub(crate) fn new() -> Self {
        let cell = Cell {
            status: ExecutionStatus::Queued,
            attempts: 0,
            token: 0,
            settled: false,
            dead_letter: false,
            live: None,
            used: 0,
            scored: false,
        };
        let status = BatchStatus::Pending;
        Self { cells: [cell; CELLS], owner: Some(0), ended: [false; 2], status }
    }

    fn live_owner(&self) -> Option<u64> {
        self.owner.filter(|owner| !self.ended[usize::try_from(*owner).unwrap()])
    }

    /// Applies a unit as a whole, or says that it is refused.
    pub(crate) fn apply(&mut self, steps: &[Step]) -> bool {
        let mut after = self.clone();
        let accepted = steps.iter().all(|step| after.step(step));
        if accepted {
            *self = after;
        }
        accepted
    }

    fn step(&mut self, step: &Step) -> bool {
        match *step {
            Step::Start { session, cell, lease } => {
                self.live_owner() == Some(session) && self.cells[cell].start(lease)
            }
            Step::Finish { cell, lease, status, next } => {
                self.cells[cell].finish(lease, status, next)
            }
            Step::Cancel { cell } => self.cells[cell].leave_idle(ExecutionStatus::Cancelled),
            Step::Requeue { cell } => self.cells[cell].leave_idle(ExecutionStatus::Queued),
            Step::Score { cell } => {
                let cell = &mut self.cells[cell];
                (cell.settled, cell.scored) = (true, true);
                true
            }
            Step::Claim { session, from } => {
                let owner = self.live_owner();
                if owner.is_some() && owner != from {
                    return false;
                }
                self.owner = Some(session);
                for cell in &mut self.cells {
                    if cell.status == ExecutionStatus::Running {
                        (cell.status, cell.live) = (ExecutionStatus::Queued, None);
                    }
                }
                true
            }
            Step::Release { session } => {
                let owns = self.live_owner() == Some(session);
                self.owner = if owns { None } else { self.owner };
                owns
            }
            Step::SetStatus { session, status } => {
                let legal = self.live_owner() == Some(session)
                    && self.status.successors().contains(&status);
                self.status = if legal { status } else { self.status };
                legal
            }
            Step::Close { session } => {
                self.ended[usize::try_from(session).unwrap()] = true;
                true
            }
        }
    }
}

impl Cell {
    fn start(&mut self, (attempt, token): (u32, u64)) -> bool {
        if self.status != ExecutionStatus::Queued
            || token <= self.token
            || self.used & (1 << attempt) != 0
        {
            return false;
        }
        *self = Self {
            status: ExecutionStatus::Running,
            attempts: self.attempts + 1,
            token,
            live: Some(attempt),
            used: self.used | (1 << attempt),
            ..*self
        };
        true
    }

    fn finish(
        &mut self,
        (attempt, token): (u32, u64),
        status: AttemptStatus,
        next: ExecutionStatus,
    ) -> bool {
        if self.live != Some(attempt)
            || token != self.token
            || status == AttemptStatus::Running
            || next == ExecutionStatus::Running
        {
            return false;
        }
        let dead_letter = next.is_error();
        *self = Self { status: next, settled: false, dead_letter, live: None, ..*self };
        true
    }

    fn leave_idle(&mut self, to: ExecutionStatus) -> bool {
        let from_queue = self.status == ExecutionStatus::Queued;
        let to_queue = to == ExecutionStatus::Queued;
        if self.status == ExecutionStatus::Running || from_queue == to_queue {
            return false;
        }
        self.status = to;
        if to_queue {
            (self.dead_letter, self.settled, self.scored) = (false, false, false);
        } else {
            self.settled = true;
        }
        true
    }
}
