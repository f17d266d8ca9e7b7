//! What the engine refuses, and why.

use wtb_model::{BatchId, ExecutionId, IllegalTransition};
use wtb_store::StoreError;

/// An error of the engine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A state machine does not have that step.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// A live session drives the batch.
    #[error(
        "batch {batch} is being driven by another live session ({owner}); wait for it, or stop \
         that program and resume the batch then"
    )]
    Busy {
        /// The batch.
        batch: BatchId,
        /// The session, its host and process.
        owner: String,
    },
    /// Somebody drives the execution.
    #[error("execution {execution} is under way in {owner}: wait for its end, or cancel it")]
    UnderWay {
        /// The execution.
        execution: ExecutionId,
        /// The program that drives it.
        owner: String,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
    /// The engine was made in another process: it does not survive a fork.
    #[error(
        "this engine was opened in process {opened_in} and does not work in process {used_in}: \
         open a new one after the fork"
    )]
    Forked {
        /// The process that opened it.
        opened_in: u32,
        /// The process that used it.
        used_in: u32,
    },
    /// The engine is closed.
    #[error("the engine is closed")]
    Closed,
}

impl From<wtb_scheduler::ConfigError> for EngineError {
    fn from(error: wtb_scheduler::ConfigError) -> Self {
        Self::Invalid(error.to_string())
    }
}
