//! What the scheduler refuses: settings that cannot work and requests that make no sense.

use thiserror::Error;

use crate::{
    cell::CellStatus,
    command::{BatchEnd, Phase},
    ids::{CellIndex, Millis},
    input::Input,
};

/// A setting, or a size of the batch, that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ConfigError {
    /// A setting is 0 that must be at least 1.
    #[error("`{setting}` is 0; it must be at least 1")]
    Zero {
        /// Its name.
        setting: &'static str,
    },
    /// The first token leaves no room for the others.
    #[error("`first_token` is {value}; it must be at most {max}")]
    FirstToken {
        /// What was given.
        value: u64,
        /// What is allowed.
        max: u64,
    },
    /// The wait would shrink.
    #[error("`backoff.factor` is {value}; it must be a finite number of at least 1")]
    BackoffFactor {
        /// What was given.
        value: f64,
    },
    /// The random part is no part.
    #[error("`backoff.jitter` is {value}; it must be between 0 and 1")]
    BackoffJitter {
        /// What was given.
        value: f64,
    },
    /// The longest wait is shorter than the first.
    #[error(
        "`backoff.max` ({max}) is below `backoff.initial` ({initial}); raise it or lower the other"
    )]
    BackoffMax {
        /// The first wait.
        initial: Millis,
        /// The longest wait.
        max: Millis,
    },
    /// The part of failures is no part.
    #[error("the fraction of `fail_fast` is {value}; it must be above 0 and at most 1")]
    FailFastFraction {
        /// What was given.
        value: f64,
    },
    /// The cells cannot be numbered.
    #[error("the batch has {cells} cells; a batch can have at most {}; split it", u32::MAX)]
    TooManyCells {
        /// How many were given (or, for a list, how many were read before giving up).
        cells: u128,
    },
}

/// An input that makes no sense in the state the batch is in. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SchedulerError {
    /// The batch has no such cell.
    #[error("there is no {cell}: the batch has {cells} cells, counted from 0")]
    UnknownCell {
        /// The cell that was named.
        cell: CellIndex,
        /// How many there are.
        cells: u32,
    },
    /// The phase of the batch does not allow the request.
    #[error("cannot {} a batch that is {}{}", verb(.request), adjective(*.phase), hint(*.phase))]
    IllegalPhase {
        /// The request.
        request: Input,
        /// The phase it met.
        phase: Phase,
    },
    /// The state of the cell does not allow the request.
    #[error("cannot {} {cell}: it is {status}{}", verb(.request), cell_hint(.request))]
    IllegalCell {
        /// The request.
        request: Input,
        /// The cell.
        cell: CellIndex,
        /// The state it met.
        status: CellStatus,
    },
}

const fn verb(request: &Input) -> &'static str {
    match request {
        Input::Pause => "pause",
        Input::Resume => "resume",
        Input::Drain => "drain",
        Input::Cancel | Input::CancelCell { .. } => "cancel",
        Input::Requeue { .. } => "requeue",
        Input::Settled { .. } => "settle",
        Input::WorkerIdle { .. }
        | Input::WorkerGone { .. }
        | Input::Heartbeat { .. }
        | Input::Began { .. }
        | Input::Returned { .. }
        | Input::Lost { .. }
        | Input::Completed { .. }
        | Input::Tick => "report to",
    }
}

const fn adjective(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Draining => "draining",
        Phase::Finished(BatchEnd::Completed) => "finished (completed)",
        Phase::Finished(BatchEnd::Cancelled) => "finished (cancelled)",
        Phase::Finished(BatchEnd::FailedFast) => "finished (too many failures)",
        Phase::Finished(BatchEnd::Drained) => "finished (drained)",
    }
}

const fn hint(phase: Phase) -> &'static str {
    match phase {
        Phase::Finished(_) => "; resume the batch in a new session instead",
        Phase::Running | Phase::Paused | Phase::Draining => "",
    }
}

const fn cell_hint(request: &Input) -> &'static str {
    match request {
        Input::CancelCell { .. } => "; only a cell that has not ended can be cancelled",
        Input::Requeue { .. } => "; only a settled cell that ended without success can be requeued",
        _ => "; only a cell whose outcome was accepted can be settled",
    }
}
