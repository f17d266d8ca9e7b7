//! Going back and going on: rollback, fork, resume.

use std::sync::Arc;

use pyo3::prelude::*;
use wtb_engine::{ActiveBatch, Engine, ForkPlan, Place, ResumePlan, RetryPlan};
use wtb_model::StoredValue;
use wtb_store::StoreError;
use wtb_worker::Files;

use crate::active::ActiveBatchRef;
use crate::engine::{EngineRef, beginning, execution_id, unreadable};
use crate::errors::Result;
use crate::saver::CheckpointsRef;

/// What moves executions in their histories. Executions are named as the store keeps them.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct LineagesRef(Arc<Engine>);

impl LineagesRef {
    fn handle(&self, active: Arc<ActiveBatch>) -> ActiveBatchRef {
        ActiveBatchRef::new(active, Arc::clone(self.0.store()))
    }
}

/// Files that do not change.
struct Same(StoredValue);

impl Files for Same {
    fn snapshot(&self) -> std::result::Result<StoredValue, StoreError> {
        Ok(self.0.clone())
    }

    fn forget(&self) {}
}

#[pymethods]
impl LineagesRef {
    #[new]
    fn new(engine: &EngineRef) -> Self {
        Self(Arc::clone(engine.engine()))
    }

    /// Makes an execution that begins at a checkpoint of another one; returns its id.
    #[expect(clippy::too_many_arguments, reason = "one call says all of a new execution")]
    fn fork(
        &self,
        py: Python<'_>,
        source: &str,
        lineage: u32,
        checkpoint: String,
        as_it_stands: bool,
        workflow: String,
        variant: String,
        front: &str,
        prepared: Option<&str>,
    ) -> Result<String> {
        let plan = ForkPlan {
            source: execution_id(source)?,
            place: Place { lineage, checkpoint },
            as_it_stands,
            prepared: prepared.map(execution_id).transpose()?,
            workflow,
            variant,
            front: serde_json::from_str(front).map_err(unreadable)?,
        };
        Ok(py.detach(|| self.0.fork(plan))?.into())
    }

    /// Copies the history of a fork that is to be made; returns the id that the fork is to have.
    fn prepare_fork(
        &self,
        py: Python<'_>,
        source: &str,
        lineage: u32,
        checkpoint: String,
        as_it_stands: bool,
    ) -> Result<String> {
        let (source, place) = (execution_id(source)?, Place { lineage, checkpoint });
        Ok(py.detach(|| self.0.prepare_fork(&source, &place, as_it_stands))?.into())
    }

    /// Returns the checkpoints of a thread to which what a person changes is added: the files of its
    /// last checkpoint stay.
    fn checkpoints(&self, py: Python<'_>, thread: &str) -> Result<CheckpointsRef> {
        let store = self.0.store();
        let head = py.detach(|| store.head(thread, ""))?;
        let files = head.and_then(|head| head.snapshot).map(|snapshot| Arc::new(Same(snapshot)));
        Ok(CheckpointsRef::new(Arc::clone(store), None, files.map(|files| files as Arc<_>)))
    }

    /// Puts an execution back to a checkpoint; returns the id under which it goes on.
    fn rollback(
        &self,
        py: Python<'_>,
        execution: &str,
        lineage: u32,
        checkpoint: String,
    ) -> Result<String> {
        let execution = execution_id(execution)?;
        Ok(py.detach(|| self.0.rollback(&execution, Place { lineage, checkpoint }))?.into())
    }

    /// Takes up an execution at its head; refused unless that is the expected one, if one is.
    #[expect(clippy::too_many_arguments, reason = "one call says all of how it goes on")]
    fn resume(
        &self,
        py: Python<'_>,
        execution: &str,
        timeout_ms: Option<u64>,
        answered: bool,
        updated: bool,
        expected: Option<(u32, String)>,
        workspace: &str,
    ) -> Result<ActiveBatchRef> {
        let execution = execution_id(execution)?;
        let expected = expected.map(|(lineage, checkpoint)| Place { lineage, checkpoint });
        let workspace = serde_json::from_str(workspace).map_err(unreadable)?;
        let plan = ResumePlan { execution, timeout_ms, answered, updated, expected, workspace };
        let active = py.detach(|| self.0.resume_execution(&plan))?;
        Ok(self.handle(active))
    }

    /// Takes up an execution again: anew, or at its head.
    fn retry(
        &self,
        py: Python<'_>,
        execution: &str,
        timeout_ms: Option<u64>,
        checkpointed: bool,
        from_head: bool,
        workspace: &str,
    ) -> Result<ActiveBatchRef> {
        let (execution, beginning) = (execution_id(execution)?, beginning(from_head));
        let workspace = serde_json::from_str(workspace).map_err(unreadable)?;
        let plan = RetryPlan { execution, timeout_ms, checkpointed, beginning, workspace };
        let active = py.detach(|| self.0.retry_single(&plan))?;
        Ok(self.handle(active))
    }
}
