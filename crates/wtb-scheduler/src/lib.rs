//! The batch scheduler of the Workflow Test Bench as a pure state machine: inputs in, commands out.
//!
//! A batch is a row of *cells* (one per execution, numbered in the order in which they should run)
//! and a set of *workers* that ask for work. [`Scheduler::handle`] is told what happened and when,
//! and answers with what to do: start an attempt, accept or refuse an outcome, expire an attempt,
//! finish the batch. There is no clock, no thread, no store and no user code in here; what a cell
//! is and where a worker lives, only the caller knows. Whatever it decided can be replayed.
//!
//! Invariants, checked over many thousands of simulated worlds by `tests/simulator`:
//! 1. An attempt is accepted or expired at most once, and a cell ends at most once (until it is
//!    requeued). Tokens strictly increase; a token that is not running is always fenced.
//! 2. Never more than `max_in_flight` attempts run, and never more than `window` cells are running
//!    or unsettled after a start.
//! 3. A cell is charged at most `retries + 1` failures and `max_losses + 1` losses, and nothing for an
//!    attempt that had not begun.
//! 4. Nothing starts while the batch is paused, draining or finished, nor a cell before its backoff.
//! 5. No attempt outlives its deadline or its worker's lease, whatever the worker does.
//! 6. No worker waits while there is ready work and no limit is met. When workers work, the batch
//!    ends.
//! 7. Memory is bounded: sixteen bytes per cell, one bit per attempt ever started, and a constant
//!    for each attempt that runs, each cell in a backoff and each worker that is known.

#![forbid(unsafe_code)]

mod attempts;
mod backoff;
mod cell;
mod command;
mod config;
mod counts;
mod error;
mod ids;
mod input;
mod order;
mod rng;
mod scheduler;
mod timers;
mod workers;

pub use backoff::Backoff;
pub use cell::{CellEnd, CellStatus, Prior};
pub use command::{BatchEnd, Command, ExpireCause, FenceReason, Next, Phase};
pub use config::{Config, FailFast};
pub use counts::Counts;
pub use error::{ConfigError, SchedulerError};
pub use ids::{CellIndex, Group, Millis, Token, WorkerId};
pub use input::{AttemptEnd, Input};
pub use order::{ComparableOrder, Coordinates, comparable_order};
pub use rng::SplitMix64;
pub use scheduler::Scheduler;
