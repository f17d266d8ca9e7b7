//! The cells of a batch: what each one has used up, where it stands, and which one is next.
//!
//! Sixteen bytes per cell and no allocation for any single one. The counts and the ready queues
//! change in one place, [`Cells::set_status`]. Invariants:
//! * `counts`, and those of each queue, always equal a recount over all cells.
//! * Every queued cell is either at or behind the `cursor` of its group's queue, or in its `returned`;
//!   the lowest is next.

use std::{collections::BTreeSet, fmt};

use crate::{
    counts::Counts,
    error::ConfigError,
    ids::{CellIndex, Group},
};

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellEnd {
    /// An attempt succeeded.
    Succeeded,
    /// The last attempt failed, or too many attempts were lost.
    Failed,
    /// The last attempt took too long.
    TimedOut,
    /// It was cancelled, or the batch was cancelled or given up.
    Cancelled,
    /// It awaits an answer.
    Interrupted,
    /// It stopped at a breakpoint.
    Paused,
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellStatus {
    /// It can run now.
    Queued,
    /// It can run after its backoff.
    Waiting,
    /// An attempt runs.
    Running,
    /// It ended; its evaluators are still at work.
    Unsettled(CellEnd),
    /// It ended and nothing is left to do.
    Ended(CellEnd),
}

/// What is known of a cell beforehand, for [`Scheduler::resume`](crate::Scheduler::resume): who can run it,
/// and what earlier sessions did to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prior {
    /// How many attempts were started; the next one has the number after it.
    pub attempts: u32,
    /// How many of them failed or timed out, and so were charged to the retry budget.
    pub failures: u32,
    /// How many of them were lost.
    pub losses: u32,
    /// How the cell ended; `None` when it has still to run.
    pub end: Option<CellEnd>,
    /// Whose workers can make its attempts.
    pub group: Group,
}

/// One cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
    group: Group,
    status: CellStatus,
}

const _: () = assert!(size_of::<Cell>() == 16);

impl Cell {
    pub(crate) const fn status(&self) -> CellStatus {
        self.status
    }
}

/// The cells of one group that can run now.
#[derive(Clone, Debug, Default)]
struct Queue {
    /// Every cell of the group before this one has left the queue at least once.
    cursor: u32,
    /// The queued cells before the cursor.
    returned: BTreeSet<u32>,
    /// How many there are.
    queued: u32,
    /// How many cells of the group have not ended.
    outstanding: u32,
}

impl Queue {
    fn enter(&mut self, cell: u32, status: CellStatus) {
        self.outstanding += u32::from(!status.has_ended());
        if status == CellStatus::Queued {
            self.queued += 1;
            if cell < self.cursor {
                self.returned.insert(cell);
            }
        }
    }

    fn leave(&mut self, cell: u32, status: CellStatus) {
        self.outstanding -= u32::from(!status.has_ended());
        if status == CellStatus::Queued {
            self.queued -= 1;
            self.returned.remove(&cell);
        }
    }
}

/// All cells of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    all: Vec<Cell>,
    /// By group.
    queues: Vec<Queue>,
    pub(crate) counts: Counts,
}

impl Cells {
    pub(crate) fn fresh(count: u32) -> Self {
        let group = Group::default();
        let cell = Cell { attempts: 0, failures: 0, losses: 0, group, status: CellStatus::Queued };
        let counts = Counts { queued: count, ..Counts::default() };
        let queue = Queue { queued: count, outstanding: count, ..Queue::default() };
        Self { all: vec![cell; count as usize], queues: vec![queue], counts }
    }

    pub(crate) fn restored(priors: impl IntoIterator<Item = Prior>) -> Result<Self, ConfigError> {
        let priors = priors.into_iter();
        let mut restored = Self::fresh(0);
        restored.all.reserve_exact(priors.size_hint().0);
        for prior in priors {
            let index = u32::try_from(restored.all.len()).ok().filter(|index| *index < u32::MAX);
            let Some(index) = index else {
                return Err(ConfigError::TooManyCells { cells: u128::from(u32::MAX) + 1 });
            };
            let Prior { attempts, failures, losses, end, group } = prior;
            let status = end.map_or(CellStatus::Queued, CellStatus::Ended);
            restored.counts.enter(status);
            restored.queue_of(group).enter(index, status);
            restored.all.push(Cell { attempts, failures, losses, group, status });
        }
        Ok(restored)
    }

    fn queue_of(&mut self, group: Group) -> &mut Queue {
        let index = usize::from(group.0);
        if index >= self.queues.len() {
            self.queues.resize(index + 1, Queue::default());
        }
        &mut self.queues[index]
    }

    /// Returns how many cells of a group can run now.
    pub(crate) fn queued(&self, group: Group) -> u32 {
        self.queues.get(usize::from(group.0)).map_or(0, |queue| queue.queued)
    }

    /// Returns how many cells of a group have not ended.
    pub(crate) fn outstanding(&self, group: Group) -> u32 {
        self.queues.get(usize::from(group.0)).map_or(0, |queue| queue.outstanding)
    }

    /// Returns how many cells there are; at most `u32::MAX` by construction.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, cell: CellIndex) -> Option<&Cell> {
        self.all.get(cell.0 as usize)
    }

    /// Returns the cell for changing what it has used up. The cell must exist: it comes from a
    /// live attempt, a timer or a checked request.
    pub(crate) fn used(&mut self, cell: CellIndex) -> &mut Cell {
        &mut self.all[cell.0 as usize]
    }

    /// Moves a cell that exists to another status.
    pub(crate) fn set_status(&mut self, cell: CellIndex, status: CellStatus) {
        let entry = self.used(cell);
        let group = entry.group;
        let before = std::mem::replace(&mut entry.status, status);
        self.counts.leave(before);
        self.counts.enter(status);
        let queue = self.queue_of(group);
        queue.leave(cell.0, before);
        queue.enter(cell.0, status);
    }

    /// Returns the first queued cell of a group in the order of the batch.
    pub(crate) fn next_ready(&mut self, group: Group) -> Option<CellIndex> {
        let queue = self.queues.get_mut(usize::from(group.0))?;
        if let Some(cell) = queue.returned.first() {
            return Some(CellIndex(*cell));
        }
        if queue.queued == 0 {
            return None;
        }
        let behind = self.all.get(queue.cursor as usize..)?;
        let is_next = |cell: &Cell| cell.group == group && cell.status == CellStatus::Queued;
        let skipped = behind.iter().position(is_next)?;
        queue.cursor += u32::try_from(skipped).ok()?;
        Some(CellIndex(queue.cursor))
    }

    /// Ends every cell that is queued or waiting, and settles those that are unsettled. Calls
    /// `ended` with the first cell and the length of each run of neighbours that were ended.
    pub(crate) fn end_all(&mut self, end: CellEnd, mut ended: impl FnMut(CellIndex, u32)) {
        let mut first = None;
        for index in 0..self.len() {
            let cell = CellIndex(index);
            let open = match self.all[index as usize].status {
                CellStatus::Queued | CellStatus::Waiting => {
                    self.set_status(cell, CellStatus::Ended(end));
                    true
                }
                CellStatus::Unsettled(earlier) => {
                    self.set_status(cell, CellStatus::Ended(earlier));
                    false
                }
                CellStatus::Running | CellStatus::Ended(_) => false,
            };
            match (open, first) {
                (true, None) => first = Some(index),
                (false, Some(start)) => {
                    ended(CellIndex(start), index - start);
                    first = None;
                }
                _ => {}
            }
        }
        if let Some(start) = first {
            ended(CellIndex(start), self.len() - start);
        }
    }
}

impl CellStatus {
    /// Returns whether the cell has ended, settled or not.
    const fn has_ended(self) -> bool {
        matches!(self, Self::Unsettled(_) | Self::Ended(_))
    }
}

impl fmt::Display for CellEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Paused => "paused",
        })
    }
}

impl fmt::Display for CellStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => formatter.write_str("queued"),
            Self::Waiting => formatter.write_str("waiting for its next attempt"),
            Self::Running => formatter.write_str("running"),
            Self::Unsettled(end) => write!(formatter, "{end} and not settled"),
            Self::Ended(end) => write!(formatter, "{end}"),
        }
    }
}
