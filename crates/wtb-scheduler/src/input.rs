//! What can happen to a batch, as the scheduler is told of it.
//!
//! Inputs come in two kinds. *Reports* (workers, evaluators, the clock) state facts: they are never
//! refused, at most fenced or ignored, because facts arrive late, twice or out of order. *Requests*
//! (pause, cancel, ...) come from people and are refused with a typed error when they make no sense.

use crate::ids::{CellIndex, Group, Millis, Token, WorkerId};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Report: the worker has this many free slots *now* and wants work for them. The number
    /// replaces what the worker said before, so repeating it is harmless and 0 withdraws it. The
    /// slot of an attempt that timed out is free only once the worker says so here.
    WorkerIdle {
        /// Who asks.
        worker: WorkerId,
        /// How many attempts it can take in addition to those it runs.
        slots: u32,
        /// Whose attempts it can make.
        group: Group,
    },
    /// Report: the worker is gone; its attempts are lost and it waits for nothing any more.
    WorkerGone {
        /// Who is gone.
        worker: WorkerId,
    },
    /// Report: the worker lives; renews its lease. Ignored for a worker that is not known (whose
    /// lease has ended already).
    Heartbeat {
        /// Who lives.
        worker: WorkerId,
    },
    /// Report: the worker begins with an attempt that it was handed ahead. Its deadline counts from
    /// now. Renews the worker's lease. Ignored for an attempt that has begun or does not run.
    Began {
        /// The token that [`Command::Start`](crate::Command::Start) gave.
        token: Token,
    },
    /// Report: the worker hands an attempt back that it has not begun. Ignored for one that has begun
    /// or does not run.
    Returned {
        /// The token that [`Command::Start`](crate::Command::Start) gave.
        token: Token,
    },
    /// Report: an attempt was lost with the process that made it, and its worker goes on. Ignored for one
    /// that does not run.
    Lost {
        /// The token that [`Command::Start`](crate::Command::Start) gave.
        token: Token,
    },
    /// Report: an attempt ended. Renews the worker's lease if the attempt was live.
    Completed {
        /// The token that [`Command::Start`](crate::Command::Start) gave.
        token: Token,
        /// How it ended.
        end: AttemptEnd,
    },
    /// Report: the evaluators are through with a cell whose outcome was accepted. Ignored when the
    /// cell was settled before; an error when it has not ended yet.
    Settled {
        /// The cell.
        cell: CellIndex,
    },
    /// Report: time has passed. Send one at the start, and whenever
    /// [`next_wake`](crate::Scheduler::next_wake) is due.
    Tick,
    /// Request: start nothing until [`Input::Resume`]; running attempts go on.
    Pause,
    /// Request: go on after [`Input::Pause`].
    Resume,
    /// Request: start nothing any more, let running attempts finish and leave the rest to a later
    /// session (the first Ctrl-C). To stop at once but stay resumable (the second), follow it by
    /// [`Input::WorkerGone`] for each worker.
    Drain,
    /// Request: end every cell that has not ended yet, stop the running attempts.
    Cancel,
    /// Request: end one cell.
    CancelCell {
        /// The cell.
        cell: CellIndex,
    },
    /// Request: run a cell again that ended without success, with a fresh retry budget.
    Requeue {
        /// The cell.
        cell: CellIndex,
    },
}

impl Input {
    /// Returns whether this is a request that may be refused because of the phase of the batch.
    pub(crate) const fn is_request(&self) -> bool {
        matches!(
            self,
            Self::Pause
                | Self::Resume
                | Self::Drain
                | Self::Cancel
                | Self::CancelCell { .. }
                | Self::Requeue { .. }
        )
    }
}

/// How an attempt ended, as its worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The workflow ran through.
    Succeeded,
    /// The workflow failed.
    Failed {
        /// Whether another attempt can help.
        retryable: bool,
        /// The least wait before the next attempt that a server asked for (`Retry-After`). It may
        /// be longer than the backoff's maximum: whoever reads it from the server bounds it.
        retry_after: Option<Millis>,
    },
    /// The worker itself stopped the attempt at its deadline.
    TimedOut,
    /// The worker was told to stop and did.
    Cancelled,
    /// The workflow awaits an answer.
    Interrupted,
    /// The workflow stopped at a breakpoint.
    Paused,
}
