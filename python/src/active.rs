//! Handles on an active batch: for workers, evaluators and the owner.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
#[cfg(target_os = "linux")]
use pyo3::types::PyBytes;
use serde_json::json;
#[cfg(target_os = "linux")]
use wtb_engine::Report;
use wtb_engine::{ActiveBatch, Delivery, Group, Poll, Scoring, ScoringTask, Task, WorkerKey};
use wtb_store::Store;
#[cfg(unix)]
use wtb_workspace::Namespaces;

use crate::errors::{Result, invalid, request};
use crate::outcome::{OutcomeItem, ScoreTuple, score_record, unusable};
#[cfg(target_os = "linux")]
use crate::outposts::{pack, unpack};
use crate::saver::CheckpointsRef;

/// An attempt to make.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct TaskRef {
    task: Task,
    active: Arc<ActiveBatch>,
    store: Arc<dyn Store>,
}

#[pymethods]
impl TaskRef {
    /// The execution's id, as people know it.
    #[getter]
    fn execution(&self) -> String {
        self.task.execution.known().into()
    }

    /// The lineage that its checkpoints belong to.
    #[getter]
    fn thread(&self) -> Option<&str> {
        self.task.thread.as_deref()
    }

    /// Whether it goes on from the lineage's head.
    #[getter]
    #[pyo3(name = "from_head")]
    fn is_from_head(&self) -> bool {
        self.task.from_head
    }

    /// Returns the checkpoints, to be written under the attempt's lease.
    fn checkpoints(&self) -> CheckpointsRef {
        #[cfg(unix)]
        let files = self.task.files().map(|files| Arc::clone(files) as Arc<_>);
        #[cfg(not(unix))]
        let files = None;
        CheckpointsRef::new(Arc::clone(&self.store), Some(self.task.lease()), files)
    }

    /// Makes the attempt's private files, and returns their directory; `None` if its case has none.
    fn enter_workspace(&self, py: Python<'_>) -> Result<Option<PathBuf>> {
        #[cfg(unix)]
        {
            py.detach(|| self.active.open_workspace(&self.task, Namespaces::None))?;
            Ok(self.task.files().map(|files| files.directory().to_owned()))
        }
        #[cfg(not(unix))]
        {
            let _ = (py, &self.active);
            Ok(None)
        }
    }

    #[getter]
    fn variant(&self) -> u32 {
        self.task.variant
    }

    #[getter]
    fn case(&self) -> u32 {
        self.task.case
    }

    #[getter]
    fn repeat(&self) -> u32 {
        self.task.repeat
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.task.attempt
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.task.seed
    }

    /// Whether the attempt was cancelled or has expired.
    fn is_stopped(&self) -> bool {
        self.task.is_stopped()
    }
}

/// An execution to score.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct ScoringTaskRef(ScoringTask);

#[pymethods]
impl ScoringTaskRef {
    #[getter]
    fn execution(&self) -> &str {
        self.0.execution.as_str()
    }
}

/// A batch, or a single execution, that this session drives.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct ActiveBatchRef {
    active: Arc<ActiveBatch>,
    store: Arc<dyn Store>,
}

impl ActiveBatchRef {
    pub(crate) fn new(active: Arc<ActiveBatch>, store: Arc<dyn Store>) -> Self {
        Self { active, store }
    }

    pub(crate) fn active(&self) -> &Arc<ActiveBatch> {
        &self.active
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

#[pymethods]
impl ActiveBatchRef {
    #[getter]
    fn id(&self) -> Option<&str> {
        self.active.id().map(wtb_model::BatchId::as_str)
    }

    fn executions(&self) -> Vec<String> {
        self.active.executions().iter().map(|id| id.known().into()).collect()
    }

    fn pool_created(&self, py: Python<'_>, runner: &str, workers: u32) -> Result<()> {
        Ok(py.detach(|| self.active.pool_created(runner, workers))?)
    }

    #[pyo3(signature = (name, ready_ms, replaces, environment = 0))]
    fn join(
        &self,
        py: Python<'_>,
        name: &str,
        ready_ms: u64,
        replaces: Option<&str>,
        environment: u16,
    ) -> Result<u64> {
        let group = Group(environment);
        Ok(py.detach(|| self.active.join(name, ready_ms, replaces, group))?.0)
    }

    /// Returns what the variants need of where they run, as JSON: a list, null for nothing in particular.
    fn environments(&self) -> String {
        json!(self.active.environments()).to_string()
    }

    /// Returns how many executions that need an environment, by its place, have not ended.
    fn outstanding(&self, py: Python<'_>, environment: u16) -> u32 {
        py.detach(|| self.active.outstanding(Group(environment)))
    }

    fn fail(&self, py: Python<'_>, worker: u64, reason: &str) -> Result<()> {
        Ok(py.detach(|| self.active.fail(WorkerKey(worker), reason))?)
    }

    fn leave(&self, py: Python<'_>, worker: u64) -> Result<()> {
        Ok(py.detach(|| self.active.leave(WorkerKey(worker)))?)
    }

    fn worker_name(&self, worker: u64) -> Option<String> {
        self.active.worker_name(WorkerKey(worker))
    }

    /// Returns a task, `None` when there is none yet, or `False` when nothing more will come.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        worker: u64,
        timeout_s: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let timeout = Duration::from_secs_f64(timeout_s.max(0.0));
        let poll = py.detach(|| self.active.poll(WorkerKey(worker), timeout));
        Ok(match poll.map_err(crate::errors::Failure::from)? {
            Poll::Task(task) => {
                let (active, store) = (Arc::clone(&self.active), Arc::clone(&self.store));
                Bound::new(py, TaskRef { task, active, store })?.into_any()
            }
            Poll::Idle => py.None().into_bound(py),
            Poll::Released => false.into_pyobject(py)?.to_owned().into_any(),
        })
    }

    /// Says how many more attempts a supervisor elsewhere can take, and returns how many it is given,
    /// whether some are to stop, whether nothing more will come, and all that packed, if there is
    /// anything of it.
    #[cfg(target_os = "linux")]
    fn hand_out<'py>(
        &self,
        py: Python<'py>,
        worker: u64,
        slots: u32,
    ) -> Result<(usize, bool, bool, Option<Bound<'py, PyBytes>>)> {
        let handout = py.detach(|| self.active.hand_out(WorkerKey(worker), slots))?;
        let (count, is_last) = (handout.tasks.len(), handout.is_last);
        let is_empty = count == 0 && handout.stops.is_empty() && !is_last;
        let packed = if is_empty { None } else { Some(pack(py, &handout)?) };
        Ok((count, !handout.stops.is_empty(), is_last, packed))
    }

    /// Takes a supervisor's report; returns how many attempts it no longer holds, how many of them it
    /// has handed back, and for how many seconds its workers were at those that ended.
    #[cfg(target_os = "linux")]
    fn report(&self, py: Python<'_>, report: &[u8]) -> Result<(usize, usize, f64)> {
        py.detach(|| {
            let report: Report = unpack(report)?;
            let returned = report.returned.len();
            let gone = report.ended.len() + report.lost.len() + returned;
            let busy = Duration::from_micros(report.busy_us).as_secs_f64();
            self.active.report(report)?;
            Ok((gone, returned, busy))
        })
    }

    /// Returns the store's file, if it is one.
    #[cfg(target_os = "linux")]
    fn store_file(&self) -> Option<PathBuf> {
        self.store.file().map(std::path::Path::to_owned)
    }

    /// Returns what supervisors elsewhere have to know, as JSON with the store's secrets.
    #[cfg(target_os = "linux")]
    fn outpost_plan(&self, py: Python<'_>) -> Result<String> {
        let plan = py.detach(|| self.active.outpost_plan())?;
        serde_json::to_string(&plan).map_err(|error| invalid(error.to_string()))
    }

    /// Delivers how an attempt ended; returns whether it was accepted.
    fn complete(&self, py: Python<'_>, task: &TaskRef, outcome: OutcomeItem) -> Result<bool> {
        py.detach(|| {
            let outcome = outcome.into_outcome()?;
            let delivery = Delivery::of(self.store.as_ref(), task.task.attempt, outcome);
            Ok(self.active.complete(&task.task, delivery.map_err(unusable)?)?)
        })
    }

    fn stuck(&self, grace_s: f64) -> Vec<u64> {
        let grace = Duration::from_secs_f64(grace_s.max(0.0));
        self.active.stuck(grace).into_iter().map(|worker| worker.0).collect()
    }

    /// Returns an execution to score, `None` when there is none yet, or `False` when nothing more
    /// will come.
    fn poll_scoring<'py>(&self, py: Python<'py>, timeout_s: f64) -> PyResult<Bound<'py, PyAny>> {
        let timeout = Duration::from_secs_f64(timeout_s.max(0.0));
        let poll = py.detach(|| self.active.poll_scoring(timeout));
        Ok(match poll.map_err(crate::errors::Failure::from)? {
            Scoring::Task(task) => Bound::new(py, ScoringTaskRef(task))?.into_any(),
            Scoring::Idle => py.None().into_bound(py),
            Scoring::Done => false.into_pyobject(py)?.to_owned().into_any(),
        })
    }

    fn complete_scoring(
        &self,
        py: Python<'_>,
        task: &ScoringTaskRef,
        scores: Vec<ScoreTuple>,
    ) -> Result<()> {
        let scores = scores.into_iter().map(score_record).collect::<Result<Vec<_>>>()?;
        Ok(py.detach(|| self.active.complete_scoring(&task.0, scores))?)
    }

    fn pause(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.active.pause()).map_err(request)
    }

    fn resume(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.active.resume()).map_err(request)
    }

    fn drain(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.active.drain()).map_err(request)
    }

    fn abandon(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.active.abandon()).map_err(request)
    }

    fn cancel(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.active.cancel()).map_err(request)
    }

    fn cancel_execution(&self, py: Python<'_>, execution: &str) -> Result<()> {
        let execution = execution.parse().map_err(|error| invalid(format!("{error}")))?;
        py.detach(|| self.active.cancel_execution(&execution)).map_err(request)
    }

    fn is_under_way(&self, py: Python<'_>) -> bool {
        py.detach(|| self.active.is_under_way())
    }

    /// Waits for the end; returns it as JSON, or `None` when the timeout was over first.
    fn wait(&self, py: Python<'_>, timeout_s: f64) -> Result<Option<String>> {
        let timeout = Duration::from_secs_f64(timeout_s.max(0.0));
        let ended = py.detach(|| self.active.wait(timeout))?;
        Ok(ended.map(|ended| {
            let json = json!({
                "status": ended.status,
                "counts": ended.counts,
                "resumable": ended.resumable,
            });
            json.to_string()
        }))
    }

    fn progress(&self, py: Python<'_>) -> Result<String> {
        let progress = py.detach(|| self.active.progress());
        serde_json::to_string(&progress).map_err(|error| invalid(error.to_string()))
    }
}
