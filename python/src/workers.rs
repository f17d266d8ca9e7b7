//! Workers that are processes: the supervisor's side, and theirs.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Deserialize;
use wtb_engine::{Group, Processes, Source};
use wtb_store::Store;
use wtb_worker::{
    AttemptLink, Ground, Limits, Link, Order, Prepare, STEPS, Seed, Settings, Spec, Template,
    TemplateSettings, isolation_step,
};

use wtb_workspace::Mount;

use crate::active::ActiveBatchRef;
use crate::errors::{Failure, Result, invalid};
use crate::outcome::OutcomeItem;
use crate::saver::CheckpointsRef;

/// What a pool of processes is to be like: JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolSettings {
    program: String,
    arguments: Vec<String>,
    modules: Vec<String>,
    own_modules: Vec<String>,
    own_modules_within_s: f64,
    limits: Limits,
    directory: Option<String>,
    environment: Vec<(String, String)>,
    command: Vec<String>,
    timeout_s: Option<f64>,
    grace_s: f64,
    fresh: bool,
}

/// The processes of one active batch.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct ProcessesRef(Processes);

#[pymethods]
impl ProcessesRef {
    /// Starts what the workers are made from that make the attempts of an environment, by its place.
    #[new]
    fn new(
        py: Python<'_>,
        active: &ActiveBatchRef,
        environment: u16,
        settings: &str,
        job: Vec<u8>,
        cases: Vec<Vec<u8>>,
    ) -> Result<Self> {
        let (source, store) = (Arc::clone(active.active()), Arc::clone(active.store()));
        start_processes(py, (source, Group(environment)), store, settings, job, cases).map(Self)
    }

    /// Returns what the workers stand on, as JSON.
    fn ground(&self, py: Python<'_>) -> Result<String> {
        let ground = py.detach(|| self.0.ground())?;
        serde_json::to_string(&ground).map_err(|error| invalid(error.to_string()))
    }

    /// Makes attempts until the batch has none left for this worker.
    fn work(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.0.work(name))?)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// Starts the processes that make a source's attempts of a group, until a signal's handler raises.
pub(crate) fn start_processes(
    py: Python<'_>,
    source: (Arc<dyn Source>, Group),
    store: Arc<dyn Store>,
    settings: &str,
    job: Vec<u8>,
    cases: Vec<Vec<u8>>,
) -> Result<Processes> {
    let given: PoolSettings =
        serde_json::from_str(settings).map_err(|error| invalid(error.to_string()))?;
    let settings = given.settings(job.into());
    let cases = cases.into_iter().map(Bytes::from).collect();
    let started =
        while_wanted(py, |is_wanted| Processes::start(source, store, settings, cases, is_wanted));
    Ok(started.map_err(Failure::Python)??)
}

impl PoolSettings {
    fn settings(self, job: Bytes) -> Settings {
        Settings {
            template: TemplateSettings {
                program: self.program.into(),
                arguments: self.arguments,
                directory: self.directory.map(Into::into),
                environment: self.environment,
                prepare: Prepare {
                    modules: self.modules,
                    own_modules: self.own_modules,
                    own_modules_within: duration(self.own_modules_within_s),
                },
            },
            spec: Spec { limits: self.limits, command: self.command },
            job,
            timeout: self.timeout_s.map(duration),
            grace: duration(self.grace_s),
            is_fresh: self.fresh,
        }
    }
}

/// Does what may take long, until a signal's handler raises: then it is not wanted any more.
pub(crate) fn while_wanted<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> bool) -> T + Send,
) -> PyResult<T> {
    let mut raised = None;
    let done = py.detach(|| {
        work(&mut || {
            raised = Python::attach(|py| py.check_signals().err());
            raised.is_none()
        })
    });
    raised.map_or(Ok(done), Err)
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// The template's end of its connection.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct TemplateRef(Mutex<Template>);

impl TemplateRef {
    fn with<T>(&self, work: impl FnOnce(&mut Template) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl TemplateRef {
    /// How many steps lead to a worker in namespaces of its own.
    #[classattr]
    const STEPS: usize = STEPS;

    /// Does one of these steps, in a child of the process that has done the one before.
    #[staticmethod]
    fn step(number: usize) -> PyResult<()> {
        Ok(isolation_step(number)?)
    }

    /// In the guard: takes the connection that is its standard input. `reason` says why there are no
    /// namespaces.
    #[staticmethod]
    fn begin(reason: Option<String>) -> PyResult<Self> {
        let control: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self(Mutex::new(Template::begin(control, reason)?)))
    }

    /// In the guard, after the fork. Does not return.
    fn guard(&self, template: i32) {
        self.with(|guard| guard.guard(template));
    }

    fn settle(&self) -> PyResult<()> {
        Ok(self.with(Template::settle)?)
    }

    /// Waits for `(modules, own modules)`; `None` when the supervisor is gone.
    fn prepare(&self) -> PyResult<Option<[Vec<String>; 2]>> {
        let prepare = self.with(|template| template.prepare()).map_err(lost)?;
        Ok(prepare.map(|prepare| [prepare.modules, prepare.own_modules]))
    }

    fn imported(&self) -> PyResult<()> {
        self.with(|template| template.imported()).map_err(lost)
    }

    fn ready(
        &self,
        unsafe_to_fork: Option<String>,
        unsafe_own_modules: Option<String>,
        failed_imports: Vec<(String, String)>,
    ) -> PyResult<()> {
        self.with(|template| {
            let (isolation, reason) = template.isolation();
            let ground = Ground {
                isolation,
                reason,
                has_own_users: template.has_own_users(),
                unsafe_to_fork,
                unsafe_own_modules,
                failed_imports,
            };
            template.ready(ground)
        })
        .map_err(lost)
    }

    /// Waits for a keeper to make; `None` when the supervisor is gone.
    fn next(&self, py: Python<'_>) -> PyResult<Option<SeedRef>> {
        let seed = py.detach(|| self.with(|template| template.next())).map_err(lost)?;
        Ok(seed.map(SeedRef))
    }

    fn before_fork(&self) -> PyResult<()> {
        Ok(self.with(|template| template.before_fork())?)
    }

    fn after_fork(&self, keeper: Option<i32>, reason: Option<String>) -> PyResult<()> {
        let keeper = keeper.ok_or_else(|| reason.unwrap_or_default());
        self.with(|template| template.after_fork(keeper)).map_err(lost)
    }

    /// In a keeper: lets go of what is the template's.
    fn let_go(&self) {
        self.with(Template::let_go);
    }
}

/// What a keeper and its workers are made from.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct SeedRef(Seed);

#[pymethods]
impl SeedRef {
    /// In the template, after the fork.
    fn let_go(&self) {
        self.0.let_go();
    }

    /// In the keeper, before it makes workers.
    fn begin_keeper(&self) -> PyResult<()> {
        Ok(self.0.begin_keeper()?)
    }

    /// In the keeper: waits for a worker to make; false when the supervisor is gone.
    fn next(&self) -> PyResult<bool> {
        self.0.next().map_err(lost)
    }

    /// In the keeper, after it has forked a worker: returns when that one and all below it are gone.
    fn keep(&self, worker: i32) -> PyResult<()> {
        self.0.keep(worker).map_err(lost)
    }

    /// In the keeper, when it could not fork.
    fn not_started(&self, reason: String) -> PyResult<()> {
        self.0.not_started(reason).map_err(lost)
    }

    /// In the worker: returns its connection.
    fn become_worker(&self) -> PyResult<LinkRef> {
        let stream = self.0.become_worker()?;
        let (link, job) = Link::open(stream).map_err(lost)?;
        Ok(LinkRef { link: Arc::new(link), job })
    }
}

/// A worker's connection to its supervisor.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct LinkRef {
    link: Arc<Link>,
    job: Bytes,
}

#[pymethods]
impl LinkRef {
    /// What all attempts have in common, as it was packed.
    #[getter]
    fn job<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.job)
    }

    /// Waits for an attempt; `None` when nothing more will come.
    fn next(&self, py: Python<'_>) -> PyResult<Option<OrderRef>> {
        let next = py.detach(|| self.link.next()).map_err(lost)?;
        Ok(next.map(|(order, link)| OrderRef { link, order }))
    }
}

/// An attempt to make in a worker's process.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct OrderRef {
    link: AttemptLink,
    order: Order,
}

#[pymethods]
impl OrderRef {
    /// Delivers how the attempt ended; nothing more is taken for it.
    fn complete(&self, py: Python<'_>, outcome: OutcomeItem) -> Result<()> {
        py.detach(|| {
            let outcome = outcome.into_outcome()?;
            self.link.complete(outcome).map_err(|error| Failure::Python(lost(error)))
        })
    }

    /// Tells that a node begins or has ended.
    fn node(&self, py: Python<'_>, node: &str, ended: bool) -> PyResult<()> {
        py.detach(|| self.link.node(node, ended)).map_err(lost)
    }

    #[getter]
    fn execution(&self) -> &str {
        &self.order.execution
    }

    #[getter]
    fn thread(&self) -> Option<&str> {
        self.order.thread.as_deref()
    }

    #[getter]
    #[pyo3(name = "from_head")]
    fn is_from_head(&self) -> bool {
        self.order.from_head
    }

    #[getter]
    fn variant(&self) -> u32 {
        self.order.variant
    }

    #[getter]
    fn case(&self) -> u32 {
        self.order.case
    }

    #[getter]
    fn repeat(&self) -> u32 {
        self.order.repeat
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.order.attempt
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.order.seed
    }

    /// Makes the attempt's private files, if it has any, the working directory; returns where they are.
    fn enter_workspace(&self) -> PyResult<Option<PathBuf>> {
        let Some(workspace) = &self.order.workspace else { return Ok(None) };
        let directory = Path::new(OsStr::from_bytes(&workspace.directory));
        match self.mount()? {
            Some(mount) => mount.enter().map_err(std::io::Error::from)?,
            None => std::env::set_current_dir(directory)?,
        }
        Ok(Some(directory.to_owned()))
    }

    /// Undoes that, for the attempts after it.
    fn leave_workspace(&self, directory: PathBuf) -> PyResult<()> {
        std::env::set_current_dir(directory)?;
        Ok(self.mount()?.map_or(Ok(()), |mount| mount.leave().map_err(std::io::Error::from))?)
    }

    /// The case, as it was packed.
    #[getter]
    fn input<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.order.input)
    }

    /// Returns the checkpoints of the supervisor, to be written under the attempt's lease.
    fn checkpoints(&self) -> CheckpointsRef {
        CheckpointsRef::of_worker(Arc::new(self.link.clone()))
    }
}

impl OrderRef {
    fn mount(&self) -> PyResult<Option<Mount>> {
        let overlay = self.order.workspace.as_ref().and_then(|one| one.overlay.as_ref());
        let Some(overlay) = overlay else { return Ok(None) };
        Mount::from_bytes(overlay).map(Some).ok_or_else(|| lost("the order's overlay is malformed"))
    }
}

fn lost(error: impl std::fmt::Display) -> PyErr {
    pyo3::exceptions::PyConnectionError::new_err(error.to_string())
}
