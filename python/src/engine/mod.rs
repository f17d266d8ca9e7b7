//! The handle on an open engine: creating and taking up; `reading` and `journal` have the rest.

mod journal;
mod judging;
mod reading;

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use wtb_engine::{
    BatchPlan, Beginning, CasePlan, Engine, EngineSettings, Extension, KEPT_BYTES_MAX, SinglePlan,
};
use wtb_model::{BatchId, BatchSpec, ExecutionId, VariantRecord};
use wtb_store::{Change, Store, StoreError, UnitOfWork};

use crate::active::ActiveBatchRef;
use crate::errors::{Result, invalid};
use crate::outcome::{ScoreTuple, score_record};
use crate::payload::Payload;
use crate::saver::CheckpointsRef;

/// `(id, group, tags, input, expected, answers, workspace)`.
type CaseTuple = (
    String,
    Option<String>,
    Vec<String>,
    Payload,
    Option<Payload>,
    Option<Payload>,
    Option<String>,
);

/// An open store and the session that works with it.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct EngineRef(Arc<Engine>);

impl EngineRef {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    /// The store, for the process that opened it: its connections do not survive a fork.
    pub(crate) fn store(&self) -> Result<&Arc<dyn Store>> {
        self.0.check_process()?;
        Ok(self.0.store())
    }

    fn with_store<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Store) -> std::result::Result<T, StoreError> + Send,
    ) -> Result<T> {
        let store = self.store()?;
        Ok(py.detach(|| work(store.as_ref()))?)
    }

    fn handle(&self, active: Arc<wtb_engine::ActiveBatch>) -> ActiveBatchRef {
        ActiveBatchRef::new(active, Arc::clone(self.0.store()))
    }
}

#[pymethods]
impl EngineRef {
    #[new]
    #[pyo3(signature = (url, workspaces=None, kept_bytes_max=KEPT_BYTES_MAX, objects=None))]
    fn new(
        py: Python<'_>,
        url: &str,
        workspaces: Option<PathBuf>,
        kept_bytes_max: u64,
        objects: Option<PathBuf>,
    ) -> Result<Self> {
        let settings = EngineSettings { workspaces, kept_bytes_max, objects };
        Ok(Self(py.detach(|| Engine::open_with(url, settings))?))
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.store().url()
    }

    fn close(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.0.close())?)
    }

    fn check_process(&self) -> Result<()> {
        Ok(self.0.check_process()?)
    }

    #[expect(clippy::too_many_arguments, reason = "one call carries a whole batch")]
    fn submit(
        &self,
        py: Python<'_>,
        name: Option<String>,
        workflow: String,
        reference: Option<String>,
        spec: &str,
        variants: Vec<(String, String)>,
        cases: Vec<CaseTuple>,
    ) -> Result<ActiveBatchRef> {
        let plan = BatchPlan {
            name,
            workflow,
            reference,
            spec: serde_json::from_str::<BatchSpec>(spec).map_err(unreadable)?,
            variants: variant_records(variants)?,
            cases: case_plans(cases),
        };
        let active = py.detach(|| self.0.submit(plan))?;
        Ok(self.handle(active))
    }

    #[expect(clippy::too_many_arguments, reason = "one call carries a whole execution")]
    fn submit_single(
        &self,
        py: Python<'_>,
        workflow: String,
        variant: String,
        input: Payload,
        seed: u64,
        timeout_ms: Option<u64>,
        checkpointed: bool,
        workspace: &str,
        front: &str,
    ) -> Result<ActiveBatchRef> {
        let plan = SinglePlan {
            workflow,
            variant,
            input: input.0,
            seed,
            timeout_ms,
            checkpointed,
            workspace: serde_json::from_str(workspace).map_err(unreadable)?,
            front: serde_json::from_str(front).map_err(unreadable)?,
        };
        let active = py.detach(|| self.0.submit_single(plan))?;
        Ok(self.handle(active))
    }

    /// Takes up a batch that an earlier session left; `spec` is what is asked of it from now on, as JSON,
    /// if that has changed.
    fn resume(&self, py: Python<'_>, batch: &str, spec: Option<&str>) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let spec = spec.map(serde_json::from_str).transpose();
        let spec = spec.map_err(|error| invalid(error.to_string()))?;
        let active = py.detach(|| match spec {
            None => self.0.resume(&batch),
            Some(spec) => self.0.resume_as(&batch, spec),
        })?;
        Ok(self.handle(active))
    }

    fn retry(
        &self,
        py: Python<'_>,
        batch: &str,
        executions: Vec<String>,
        from_head: bool,
    ) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let executions =
            executions.iter().map(|id| execution_id(id)).collect::<Result<Vec<_>>>()?;
        let active = py.detach(|| self.0.retry(&batch, &executions, beginning(from_head)))?;
        Ok(self.handle(active))
    }

    /// Returns the checkpoints of all executions.
    fn checkpoints(&self) -> Result<CheckpointsRef> {
        Ok(CheckpointsRef::new(Arc::clone(self.store()?), None, None))
    }

    fn extend(
        &self,
        py: Python<'_>,
        batch: &str,
        variants: Vec<(String, String)>,
        cases: Vec<CaseTuple>,
        repeats: u32,
    ) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let (variants, cases) = (variant_records(variants)?, case_plans(cases));
        let extension = Extension { variants, cases, repeats };
        let active = py.detach(|| self.0.extend(&batch, extension))?;
        Ok(self.handle(active))
    }

    /// Returns the handle on a batch that this session drives.
    fn active(&self, batch: &str) -> Result<Option<ActiveBatchRef>> {
        Ok(self.0.active(&batch_id(batch)?).map(|active| self.handle(active)))
    }

    fn put_scores(&self, py: Python<'_>, execution: &str, scores: Vec<ScoreTuple>) -> Result<()> {
        let execution = execution_id(execution)?;
        let scores = scores.into_iter().map(score_record).collect::<Result<Vec<_>>>()?;
        Ok(py.detach(|| self.0.put_scores(&execution, scores))?)
    }

    /// Puts descriptions of evaluators, a JSON array, in the place of those that the batch has now; what else
    /// was asked of it stays, also what has been added since the caller read it.
    fn set_evaluators(&self, py: Python<'_>, batch: &str, evaluators: &str) -> Result<()> {
        let batch = batch_id(batch)?;
        let evaluators = serde_json::from_str(evaluators).map_err(unreadable)?;
        self.with_store(py, |store| {
            let spec = Box::new(BatchSpec { evaluators, ..store.batch(&batch)?.batch.spec });
            store.commit(UnitOfWork::silent(Change::SetBatchSpec { batch, spec }))
        })?;
        Ok(())
    }

    fn flush(&self, py: Python<'_>) -> Result<()> {
        self.with_store(py, |store| store.flush())
    }
}

fn case_plans(cases: Vec<CaseTuple>) -> Vec<CasePlan> {
    let plan = |(id, group, tags, input, expected, answers, workspace): CaseTuple| CasePlan {
        id,
        group,
        tags,
        input: input.0,
        expected: expected.map(|given| given.0),
        answers: answers.map(|given| given.0),
        workspace,
    };
    cases.into_iter().map(plan).collect()
}

fn variant_records(variants: Vec<(String, String)>) -> Result<Vec<VariantRecord>> {
    let record = |(name, description): (String, String)| {
        let description = serde_json::from_str(&description).map_err(unreadable)?;
        Ok(VariantRecord { name, description })
    };
    variants.into_iter().map(record).collect()
}

pub(crate) fn unreadable(error: serde_json::Error) -> crate::errors::Failure {
    invalid(error.to_string())
}

pub(crate) const fn beginning(from_head: bool) -> Beginning {
    if from_head { Beginning::Head } else { Beginning::Input }
}

pub(crate) fn batch_id(text: &str) -> Result<BatchId> {
    text.parse().map_err(|error| invalid(format!("{error}")))
}

pub(crate) fn execution_id(text: &str) -> Result<ExecutionId> {
    text.parse().map_err(|error| invalid(format!("{error}")))
}
