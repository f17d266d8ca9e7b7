//! The engine of the Workflow Test Bench: open a store, submit a batch, let workers poll it.
//!
//! The engine never calls user code. Workers, whatever they are and wherever they live, *poll* an
//! [`ActiveBatch`] for a [`Task`] and *complete* it; evaluators poll for executions to score. All
//! decisions are the scheduler's (`wtb-scheduler`), all durable effects are units of work of the
//! store (`wtb-store`); this crate joins the two, keeps time, and reports progress. It does not
//! print, read the environment or know Python.
//!
//! Begin with [`Engine::open`] and [`Engine::submit`]. A worker is a loop around
//! [`ActiveBatch::poll`]:
//!
//! ```
//! use std::time::Duration;
//! use wtb_engine::{ActiveBatch, Delivery, EngineError, Group, Poll, Task};
//!
//! fn work(batch: &ActiveBatch, attempt: impl Fn(&Task) -> Delivery) -> Result<(), EngineError> {
//!     let worker = batch.join("worker-1", 0, None, Group::default())?;
//!     loop {
//!         match batch.poll(worker, Duration::from_secs(1))? {
//!             Poll::Task(task) => drop(batch.complete(&task, attempt(&task))?),
//!             Poll::Idle => {}
//!             Poll::Released => return batch.leave(worker),
//!         }
//!     }
//! }
//! ```
//!
//! `examples/rust_only.rs` beside this crate's sources is a whole batch whose worker and nodes are Rust functions:
//! `cargo run -p wtb-engine --example rust_only`.

mod active;
mod bundle;
mod clock;
mod compare;
mod create;
mod engine;
mod entropy;
mod environments;
mod error;
#[cfg(unix)]
mod files;
mod gate;
mod lineage;
mod pacemaker;
mod plan;
#[cfg(target_os = "linux")]
mod processes;
mod progress;
pub mod session;
mod settings;
mod single;
mod takeover;
mod upgrade;

pub use active::{
    ActiveBatch, Delivered, Delivery, Ended, Handed, Handout, Poll, Report, Scoring, ScoringTask,
    Task, WorkerKey,
};
pub use bundle::{Bundle, BundleError};
pub use compare::{CompareRequest, compare_batches};
pub use engine::{Engine, EngineSettings, KEPT_BYTES_MAX, open_store};
pub use error::EngineError;
#[cfg(unix)]
pub use files::{
    AttemptFiles, GivenInputs, RemovedWorkspaces, WorkspaceTrial, remove_orphans, try_workspaces,
};
pub use gate::{Baseline, GateRequest, assumed_from, bundle_of, gate_batch};
pub use lineage::{ForkPlan, Place, ResumePlan};
pub use plan::{BatchPlan, Beginning, CasePlan, Extension, RetryPlan, SinglePlan, execution_seed};
#[cfg(target_os = "linux")]
pub use processes::{Outpost, OutpostPlan, Processes, Source, namespaces};
pub use progress::{Failure, Progress};
pub use upgrade::{upgrade_needed, upgrade_store};
pub use wtb_evaluation::{self as evaluation, comparison};
pub use wtb_postgres::redacted;

/// How a worker's attempt ended; see [`ActiveBatch::complete`].
pub use wtb_scheduler::AttemptEnd;

/// Whose attempts a worker makes: the place of their environment among [`ActiveBatch::environments`].
pub use wtb_scheduler::Group;

/// Returns wall-clock time, as the engine stamps its records with it.
pub fn now() -> wtb_model::Timestamp {
    clock::Clock::now()
}
