//! The engine of the Workflow Test Bench: open a store, submit a batch, let workers poll it.
//!
//! The engine never calls user code. Workers, whatever they are and wherever they live, *poll* an
//! [`ActiveBatch`] for a [`Task`] and *complete* it; evaluators poll for executions to score. All
//! decisions are the scheduler's (`wtb-scheduler`), all durable effects are units of work of the
//! store (`wtb-store`); this crate joins the two, keeps time, and reports progress.
//!
//! It does not print, read the environment or know Python. `examples/rust_only.rs` runs a batch
//! whose worker is a Rust function.

mod active;
mod batches;
mod clock;
pub mod comparison;
mod engine;
mod entropy;
mod error;
mod pacemaker;
mod plan;
mod progress;
pub mod session;

pub use active::{ActiveBatch, Delivery, Ended, Poll, Scoring, ScoringTask, Task, WorkerKey};
pub use batches::{CompareRequest, compare_batches};
pub use engine::{Engine, open_store};
pub use error::EngineError;
pub use plan::{BatchPlan, CasePlan, Extension, SinglePlan, execution_seed};
pub use progress::{Failure, Progress};

/// How a worker's attempt ended; see [`ActiveBatch::complete`].
pub use wtb_scheduler::AttemptEnd;

/// Returns wall-clock time, as the engine stamps its records with it.
pub fn now() -> wtb_model::Timestamp {
    clock::Clock::now()
}
