//! What the engine refuses, and why.

use std::sync::Arc;

use wtb_model::{BatchId, ExecutionId, ExecutionStatus, IllegalTransition};
use wtb_store::StoreError;
use wtb_worker::SupervisorError;

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
    /// A fork was to stand where its source stands, but that is under way.
    #[error(
        "execution {execution} is {status} and stands nowhere before it has ended: wait for that, \
         or name the checkpoint at which the fork is to begin"
    )]
    StandsNowhere {
        /// The source.
        execution: ExecutionId,
        /// Its state.
        status: ExecutionStatus,
    },
    /// There is nothing that the execution could go on to.
    #[error(
        "execution {execution} has succeeded and has nothing to go on to: to begin at another place \
         of its history, roll it back, or fork it"
    )]
    AtItsEnd {
        /// The execution.
        execution: ExecutionId,
    },
    /// The execution is its batch's as long as it has not ended.
    #[error(
        "execution {execution} is {status} in batch {batch}: resume the batch, and the execution \
         once it has ended"
    )]
    InBatch {
        /// The execution.
        execution: ExecutionId,
        /// Its state.
        status: ExecutionStatus,
        /// Its batch.
        batch: BatchId,
    },
    /// The execution has no history.
    #[error("execution {execution} has no checkpoints that it could go on from")]
    NoCheckpoints {
        /// The execution.
        execution: ExecutionId,
    },
    /// Batches cannot be compared by that objective.
    #[error(transparent)]
    Objective(#[from] wtb_evaluation::comparison::ObjectiveError),
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
    /// Workers that are processes cannot be made.
    #[error(transparent)]
    Workers(Arc<SupervisorError>),
    /// The files of an execution cannot be had or kept.
    #[cfg(unix)]
    #[error(transparent)]
    Workspace(Arc<wtb_workspace::WorkspaceError>),
    /// The engine is closed.
    #[error("the engine is closed")]
    Closed,
}

impl From<SupervisorError> for EngineError {
    fn from(error: SupervisorError) -> Self {
        Self::Workers(Arc::new(error))
    }
}

#[cfg(unix)]
impl From<wtb_workspace::WorkspaceError> for EngineError {
    fn from(error: wtb_workspace::WorkspaceError) -> Self {
        Self::Workspace(Arc::new(error))
    }
}

impl From<wtb_scheduler::ConfigError> for EngineError {
    fn from(error: wtb_scheduler::ConfigError) -> Self {
        Self::Invalid(error.to_string())
    }
}
