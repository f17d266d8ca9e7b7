//! Runs attempts in processes of their own.
//!
//! - `frame`, `message`, `outcome`: the worker protocol, see `docs/worker-protocol.md`.
//! - `checkpointer`: checkpoints as an attempt sees them, wherever it runs; `link` is a worker's way to
//!   those of its supervisor, `answers` what that one says.
//! - `process`: the processes below a supervisor, as they see it themselves.
//! - `supervisor`: makes workers, gives them attempts, ends them.
//!
//! What an attempt is, and what its job and its case hold, is the front end's business: here they are
//! bytes. Scheduling is not done here either: who asks for an attempt has decided on it.
//!
//! Processes are built for Linux; elsewhere the crate has the protocol alone.

mod answers;
mod checkpointer;
#[cfg(test)]
mod documented;
pub mod frame;
#[cfg(unix)]
mod link;
mod message;
mod outcome;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod supervisor;

pub use checkpointer::{Checkpointer, Direct, Files, GivenCheckpoint, GivenWrites};
#[cfg(unix)]
pub use link::{AttemptLink, Link};
pub use message::{Answer, FromWorker, Order, PROTOCOL_VERSION, ToWorker, Workspace};
pub use outcome::{End, Metric, Node, Outcome, OutcomeError};
#[cfg(target_os = "linux")]
pub use process::{
    Ground, Isolation, Limits, Prepare, STEPS, Seed, Spec, Template, step as isolation_step,
};
#[cfg(target_os = "linux")]
pub use supervisor::{
    CRASHED, Ended, Host, Keeper, OUTPUT_HEAD_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX, Settings, Stop,
    Supervisor, SupervisorError, TEMPLATES_MAX, TemplateSettings, Worker,
};
