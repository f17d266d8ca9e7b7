//! What the scheduler wants done, in the order in which it should be done.
//!
//! Commands are decisions, not wishes: when the caller sees one, the scheduler's state has already
//! changed. A caller that cannot carry one out reports that as an input.

use crate::{
    cell::CellEnd,
    ids::{CellIndex, Millis, Token, WorkerId},
    input::AttemptEnd,
};

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start an attempt.
    Start {
        /// Who runs it.
        worker: WorkerId,
        /// What it runs.
        cell: CellIndex,
        /// Which attempt of the cell this is, counted from 1 over all sessions.
        attempt: u32,
        /// The fencing token that the worker must return.
        token: Token,
        /// When the attempt will be expired; `None` also when that is counted from its beginning.
        deadline: Option<Millis>,
    },
    /// The outcome of an attempt counts.
    Accept {
        /// The attempt's token.
        token: Token,
        /// The attempt's cell.
        cell: CellIndex,
        /// The attempt's number.
        attempt: u32,
        /// How the attempt ended.
        end: AttemptEnd,
        /// What becomes of the cell. When this is final and the batch settles, the caller owes an
        /// [`Input::Settled`](crate::Input::Settled).
        next: Next,
    },
    /// The scheduler ended an attempt itself; whatever its worker still says will be fenced. The
    /// cell has no outcome and needs no settling.
    Expire {
        /// The attempt's token.
        token: Token,
        /// The attempt's cell.
        cell: CellIndex,
        /// The attempt's number.
        attempt: u32,
        /// Who ran it.
        worker: WorkerId,
        /// Why it ended.
        cause: ExpireCause,
        /// What becomes of the cell.
        next: Next,
    },
    /// An attempt that had not begun was taken back; what its worker still says of it will be fenced.
    /// The cell can run again at once, is charged nothing, and gives the number to its next attempt.
    Withdraw {
        /// The attempt's token.
        token: Token,
        /// The attempt's cell.
        cell: CellIndex,
        /// The attempt's number.
        attempt: u32,
        /// Who had it.
        worker: WorkerId,
    },
    /// Ask a worker to stop an attempt that was just expired or withdrawn. It may or may not obey.
    Stop {
        /// The attempt's token.
        token: Token,
        /// Who runs it.
        worker: WorkerId,
    },
    /// A completion was refused; nothing of it may be stored.
    Fence {
        /// The token it carried.
        token: Token,
        /// Why it was refused.
        reason: FenceReason,
    },
    /// `count` neighbouring cells from `first` on ended without an attempt (cancel, fail-fast).
    /// They come as ranges so that cancelling a million cells is one command.
    Finish {
        /// The first cell.
        first: CellIndex,
        /// How many cells.
        count: u32,
        /// How they ended.
        end: CellEnd,
    },
    /// A limit now keeps ready work from a waiting worker. Sent once, when it begins.
    BackpressureApplied {
        /// How many cells count against the limit: those running for `max_in_flight`, those
        /// running or unsettled for `window`.
        pending: u32,
        /// The limit that was met.
        limit: u32,
    },
    /// No limit keeps work from workers any more. Sent once, when it ends.
    BackpressureReleased {
        /// How many cells are running or unsettled.
        pending: u32,
    },
    /// Nothing more will come for this waiting worker: the batch is over or draining, or the
    /// worker's lease ended. Forget its request.
    Release {
        /// Who waits in vain.
        worker: WorkerId,
    },
    /// The batch changed its phase. When it finished, this is the last command.
    Phase {
        /// The phase before.
        from: Phase,
        /// The phase now.
        to: Phase,
    },
}

/// What becomes of a cell when an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The cell is through.
    Final {
        /// How it ended.
        end: CellEnd,
        /// Whether it belongs on the dead-letter list: it failed, and its budget is spent.
        dead_letter: bool,
    },
    /// The cell runs again.
    Retry {
        /// From when on.
        at: Millis,
    },
}

/// Why the scheduler ended an attempt itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpireCause {
    /// It ran past its deadline. Counts as a failure.
    Timeout,
    /// It was reported lost, or its worker gone. Counts as a loss.
    Lost,
    /// Its worker was silent for too long. Counts as a loss.
    LeaseExpired,
    /// The cell or the batch was cancelled or given up.
    Cancelled,
}

/// Why a completion was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceReason {
    /// The attempt was expired, or belongs to an earlier session.
    Stale,
    /// The attempt was completed before.
    Duplicate,
    /// No attempt ever had this token.
    Unknown,
}

/// Where the batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Attempts are started as workers ask for them.
    Running,
    /// Nothing is started; running attempts go on.
    Paused,
    /// Nothing is started any more; running attempts finish.
    Draining,
    /// Nothing happens any more.
    Finished(BatchEnd),
}

/// How a batch finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// Every cell ended.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It was given up because too many cells failed.
    FailedFast,
    /// It was drained; cells are left for a later session.
    Drained,
}

impl Phase {
    /// Returns whether nothing happens any more.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }
}
