//! Where processes get their attempts from, and where what becomes of them goes.

use std::time::Duration;

use wtb_workspace::Namespaces;

use crate::active::{ActiveBatch, Delivery, Poll, Task, WorkerKey};
use crate::{EngineError, Group};

/// What the workers' side of an [`ActiveBatch`] offers, wherever the batch is driven.
pub trait Source: Send + Sync {
    /// See [`ActiveBatch::join`].
    fn join(
        &self,
        name: &str,
        ready_ms: u64,
        replaces: Option<&str>,
        group: Group,
    ) -> Result<WorkerKey, EngineError>;

    /// See [`ActiveBatch::poll`].
    fn poll(&self, key: WorkerKey, timeout: Duration) -> Result<Poll, EngineError>;

    /// See [`ActiveBatch::open_workspace`].
    fn open_workspace(&self, task: &Task, namespaces: Namespaces) -> Result<(), EngineError>;

    /// See [`ActiveBatch::complete`].
    fn complete(&self, task: &Task, delivery: Delivery) -> Result<bool, EngineError>;

    /// See [`ActiveBatch::fail`].
    fn fail(&self, key: WorkerKey, reason: &str) -> Result<(), EngineError>;

    /// See [`ActiveBatch::leave`].
    fn leave(&self, key: WorkerKey) -> Result<(), EngineError>;
}

impl Source for ActiveBatch {
    fn join(
        &self,
        name: &str,
        ready_ms: u64,
        replaces: Option<&str>,
        group: Group,
    ) -> Result<WorkerKey, EngineError> {
        self.join(name, ready_ms, replaces, group)
    }

    fn poll(&self, key: WorkerKey, timeout: Duration) -> Result<Poll, EngineError> {
        self.poll(key, timeout)
    }

    fn open_workspace(&self, task: &Task, namespaces: Namespaces) -> Result<(), EngineError> {
        self.open_workspace(task, namespaces)
    }

    fn complete(&self, task: &Task, delivery: Delivery) -> Result<bool, EngineError> {
        self.complete(task, delivery)
    }

    fn fail(&self, key: WorkerKey, reason: &str) -> Result<(), EngineError> {
        self.fail(key, reason)
    }

    fn leave(&self, key: WorkerKey) -> Result<(), EngineError> {
        self.leave(key)
    }
}
