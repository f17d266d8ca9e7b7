//! A model of what units do to states and owners, written without a database in mind.

use wtb_model::{AttemptStatus, BatchStatus, ExecutionStatus};

/// How many cells there are.
pub(crate) const CELLS: usize = 3;
/// How many executions there can be: each cell may go on by itself, at its place behind all cells.
pub(crate) const EXECUTIONS: usize = 2 * CELLS;

/// One step, with everything that may be wrong about it drawn at random.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Start { session: u64, cell: usize, lease: (u32, u64) },
    Finish { cell: usize, lease: (u32, u64), status: AttemptStatus, next: ExecutionStatus },
    Cancel { cell: usize },
    CancelHanded { cell: usize, lease: (u32, u64) },
    Revoke { cell: usize, token: u64 },
    Requeue { cell: usize, from_head: bool },
    Place { cell: usize, lineages: u32 },
    Continue { cell: usize },
    Score { cell: usize },
    Claim { session: u64, from: Option<u64> },
    Release { session: u64 },
    SetStatus { session: u64, status: BatchStatus },
    Close { session: u64 },
}

/// What the rows must say.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "it is what columns say, each by itself")]
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
    pub(crate) lineages: u32,
    pub(crate) from_head: bool,
    /// Whether its outcome is there.
    pub(crate) delivered: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    /// The cells, and behind them what they have gone on to by themselves.
    pub(crate) cells: [Option<Cell>; EXECUTIONS],
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
            lineages: 0,
            from_head: false,
            delivered: false,
        };
        let cells = std::array::from_fn(|place| (place < CELLS).then_some(cell));
        Self { cells, owner: Some(0), ended: [false; 2], status: BatchStatus::Pending }
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
                let allowed = cell >= CELLS || self.live_owner() == Some(session);
                allowed && self.with(cell, |cell| cell.start(lease))
            }
            Step::Finish { cell, lease, status, next } => {
                self.with(cell, |cell| cell.finish(lease, status, next))
            }
            Step::Cancel { cell } => {
                self.with(cell, |cell| cell.leave_idle(ExecutionStatus::Cancelled))
            }
            Step::CancelHanded { cell, lease } => self.with(cell, |cell| cell.cancel_handed(lease)),
            Step::Revoke { cell, token } => self.with(cell, |cell| {
                cell.revoke(token);
                true
            }),
            Step::Requeue { cell, from_head } => self.requeue(cell, from_head),
            Step::Place { cell, lineages } => self.with(cell, |cell| cell.place(lineages)),
            Step::Continue { cell } => self.go_on(cell),
            Step::Score { cell } => self.with(cell, |cell| {
                (cell.settled, cell.scored) = (true, true);
                true
            }),
            Step::Claim { session, from } => {
                let owner = self.live_owner();
                if owner.is_some() && owner != from {
                    return false;
                }
                self.owner = Some(session);
                for cell in self.cells[..CELLS].iter_mut().flatten() {
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

impl World {
    /// Changes an execution, if it is there.
    fn with(&mut self, place: usize, change: impl FnOnce(&mut Cell) -> bool) -> bool {
        self.cells[place].as_mut().is_some_and(change)
    }

    /// Sends an execution back to the queue; what a cell has gone on to gives way to it.
    fn requeue(&mut self, place: usize, from_head: bool) -> bool {
        let continued = self.cells.get(place + CELLS).copied().flatten();
        if continued.is_some_and(|one| !one.status.is_final()) {
            return false;
        }
        let requeued = self.with(place, |cell| {
            let numbers = |of: &Cell| (of.lineages, of.attempts, of.token);
            let (lineages, attempts, token) = continued.as_ref().map(numbers).unwrap_or_default();
            cell.lineages = cell.lineages.max(lineages);
            cell.attempts = cell.attempts.max(attempts);
            cell.token = cell.token.max(token);
            cell.from_head = from_head;
            cell.leave_idle(ExecutionStatus::Queued)
        });
        if requeued && place < CELLS {
            self.cells[place + CELLS] = None;
        }
        requeued
    }

    /// A cell that has ended goes on by itself, as [`crate::random`] writes it.
    fn go_on(&mut self, place: usize) -> bool {
        let cell = self.cells[place].filter(|cell| cell.status.is_final());
        let Some(cell) = cell.filter(|_| self.cells[place + CELLS].is_none()) else { return false };
        self.cells[place + CELLS] = Some(Cell {
            status: ExecutionStatus::Paused,
            settled: true,
            dead_letter: false,
            live: None,
            used: 0,
            scored: false,
            lineages: cell.lineages + 1,
            from_head: true,
            delivered: false,
            ..cell
        });
        true
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
            // The samples' attempts say so.
            lineages: attempt,
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
        *self = Self {
            status: next,
            settled: false,
            dead_letter,
            live: None,
            delivered: true,
            ..*self
        };
        true
    }

    fn revoke(&mut self, token: u64) {
        if self.status == ExecutionStatus::Queued {
            self.token = self.token.max(token);
        }
    }

    fn cancel_handed(&mut self, (attempt, token): (u32, u64)) -> bool {
        let cancelled = ExecutionStatus::Cancelled;
        if self.status == ExecutionStatus::Queued && token > self.token {
            self.revoke(token);
            return self.leave_idle(cancelled);
        }
        self.finish((attempt, token), AttemptStatus::Cancelled, cancelled)
    }

    fn place(&mut self, lineages: u32) -> bool {
        if !self.status.is_final() {
            return false;
        }
        *self = Self {
            status: ExecutionStatus::Paused,
            settled: true,
            dead_letter: false,
            scored: false,
            lineages,
            from_head: true,
            delivered: false,
            ..*self
        };
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
