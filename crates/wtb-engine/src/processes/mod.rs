//! Workers that are processes: each of the caller's threads drives one at a time.
//!
//! Where their attempts come from is a [`Source`]: the batch itself, or the outpost of one that is driven by
//! another process, perhaps on another machine.

mod outpost;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wtb_model::{Captured, ErrorInfo, StoredValue};
use wtb_store::Store;
use wtb_worker::{
    Checkpointer, Direct, End, Ended, Files, Ground, Host, Isolation, Keeper, Order, Outcome,
    Settings, Supervisor, SupervisorError, Worker, Workspace,
};
use wtb_workspace::Namespaces;

pub use outpost::{Outpost, OutpostPlan};
pub use source::Source;

use crate::Group;
use crate::active::{Delivery, Poll, Task, WorkerKey};
use crate::error::EngineError;
use crate::files::AttemptFiles;

/// How long a worker waits for a task before it looks whether anything else has happened.
const POLL: Duration = Duration::from_millis(500);

/// Makes attempts of one batch in processes.
pub struct Processes {
    supervisor: Supervisor,
    source: Arc<dyn Source>,
    /// Whose attempts they make.
    group: Group,
    store: Arc<dyn Store>,
    /// The batch's cases in its order, as the front end packed them.
    cases: Vec<Bytes>,
    /// Where workspaces are mounted.
    namespaces: Namespaces,
}

/// What is left of an attempt for the next one.
#[derive(Default)]
struct Slot {
    worker: Option<Worker>,
    keeper: Option<Keeper>,
}

/// An attempt's side of its store.
struct Attempt<'task> {
    task: &'task Task,
    checkpoints: Direct,
}

/// Returns which namespaces workers are in, to make workspaces for.
pub const fn namespaces(ground: &Ground) -> Namespaces {
    match ground.isolation {
        Isolation::Subreaper => Namespaces::None,
        Isolation::PidNamespace if ground.has_own_users => Namespaces::UserAndMount,
        Isolation::PidNamespace => Namespaces::Mount,
    }
}

impl Host for Attempt<'_> {
    fn checkpoints(&self) -> &dyn Checkpointer {
        &self.checkpoints
    }

    fn is_stopped(&self) -> bool {
        self.task.is_stopped()
    }
}

impl Processes {
    /// Starts what the workers are made from that make a group's attempts, as long as that is wanted.
    pub fn start(
        (source, group): (Arc<dyn Source>, Group),
        store: Arc<dyn Store>,
        settings: Settings,
        cases: Vec<Bytes>,
        is_wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Self, EngineError> {
        // Another program in the worker's place would have to mount by itself.
        let is_own = settings.spec.command.is_empty();
        let supervisor = Supervisor::start(settings, is_wanted)?;
        let namespaces = if is_own { namespaces(&supervisor.ground()?) } else { Namespaces::None };
        Ok(Self { supervisor, source, group, store, cases, namespaces })
    }

    /// Returns what the workers stand on.
    pub fn ground(&self) -> Result<Ground, EngineError> {
        Ok(self.supervisor.ground()?)
    }

    /// Ends all workers at once.
    pub fn close(&self) {
        self.supervisor.close();
    }

    /// Makes attempts until the batch has none left for this worker.
    pub fn work(&self, name: &str) -> Result<(), EngineError> {
        let began = Instant::now();
        let mut slot = Slot::default();
        if !self.supervisor.settings().is_fresh {
            slot.worker = Some(self.supervisor.worker(None)?);
        }
        let ready_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut key = self.source.join(name, ready_ms, None, self.group)?;
        loop {
            match self.source.poll(key, POLL)? {
                Poll::Released => break,
                Poll::Idle => {}
                Poll::Task(task) => match self.attempt(&task, &mut slot) {
                    Ok(None) => {}
                    Ok(Some(lost)) => key = self.replace(key, name, &lost)?,
                    Err(error) => {
                        let _ = self.source.fail(key, &error.to_string());
                        return Err(error);
                    }
                },
            }
        }
        self.source.leave(key)
    }

    /// Makes an attempt; returns why the worker was lost, if nobody knows what became of it.
    fn attempt(&self, task: &Task, slot: &mut Slot) -> Result<Option<String>, EngineError> {
        if let Err(error) = self.source.open_workspace(task, self.namespaces) {
            self.deliver(task, Ended::without_output(no_workspace(&error)))?;
            return Ok(None);
        }
        let files = task.files().map(|files| Arc::clone(files) as Arc<dyn Files>);
        let checkpoints = Direct::new(Arc::clone(&self.store), Some(task.lease()));
        let attempt = Attempt { task, checkpoints: checkpoints.with_files(files) };
        // One that died while it had nothing to do costs nobody anything.
        let mut worker = match slot.ready() {
            Some(worker) => worker,
            None => match self.supervisor.worker(slot.keeper.take()) {
                Ok(worker) => worker,
                Err(SupervisorError::Fork(reason)) => {
                    let reason = format!("a process for the attempt could not be made: {reason}");
                    self.deliver(task, Ended::without_output(crashed(reason)))?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            },
        };
        let ended = worker.attempt(self.order(task)?, &attempt)?;
        slot.put_back(worker, ended.is_gone);
        if ended.is_lost {
            return Ok(Some(ended.outcome.error.map(|error| error.message).unwrap_or_default()));
        }
        self.deliver(task, ended)?;
        Ok(None)
    }

    fn order(&self, task: &Task) -> Result<Order, EngineError> {
        let case = usize::try_from(task.case).ok().and_then(|case| self.cases.get(case));
        let input = case.cloned().ok_or_else(|| {
            EngineError::Invalid(format!("case {} was not packed for workers", task.case))
        })?;
        Ok(Order {
            execution: task.execution.known().into(),
            thread: task.thread.clone(),
            from_head: task.from_head,
            variant: task.variant,
            case: task.case,
            repeat: task.repeat,
            attempt: task.attempt,
            seed: task.seed,
            input,
            workspace: task.files().map(|files| workspace(files)),
        })
    }

    fn deliver(&self, task: &Task, ended: Ended) -> Result<(), EngineError> {
        let Ended { outcome, stdout, stderr, .. } = ended;
        let mut delivery = match Delivery::of(self.store.as_ref(), task.attempt, outcome) {
            Ok(delivery) => delivery,
            Err(wtb_worker::OutcomeError::Store(error)) => return Err(error.into()),
            Err(wtb_worker::OutcomeError::Invalid(reason)) => {
                let reason = format!("the worker delivered what is no outcome: {reason}");
                Delivery::of(self.store.as_ref(), task.attempt, crashed(reason))
                    .map_err(|error| EngineError::Invalid(error.to_string()))?
            }
        };
        delivery.outcome.stdout = self.stored(stdout.as_ref())?;
        delivery.outcome.stderr = self.stored(stderr.as_ref())?;
        self.source.complete(task, delivery).map(drop)
    }

    fn stored(&self, printed: Option<&Captured>) -> Result<Option<StoredValue>, EngineError> {
        Ok(printed.map(|captured| self.store.put_value(captured.into())).transpose()?)
    }

    fn replace(&self, key: WorkerKey, name: &str, why: &str) -> Result<WorkerKey, EngineError> {
        self.source.fail(key, why)?;
        self.source.join(name, 0, Some(name), self.group)
    }
}

impl Slot {
    /// The worker of the attempt before, if it still runs.
    fn ready(&mut self) -> Option<Worker> {
        let mut worker = self.worker.take()?;
        if worker.is_alive() {
            return Some(worker);
        }
        self.put_back(worker, true);
        None
    }

    fn put_back(&mut self, worker: Worker, is_gone: bool) {
        if is_gone {
            self.keeper = worker.into_keeper();
        } else {
            self.worker = Some(worker);
        }
    }
}

fn workspace(files: &AttemptFiles) -> Workspace {
    use std::os::unix::ffi::OsStrExt as _;
    Workspace {
        directory: Bytes::copy_from_slice(files.directory().as_os_str().as_bytes()),
        overlay: files.mount().map(|mount| mount.to_bytes().into()),
    }
}

/// The error of an attempt whose private files cannot be made, by its name in Python.
const NO_WORKSPACE: &str = "wtb.errors.WorkspaceError";

fn no_workspace(error: &EngineError) -> Outcome {
    failed(NO_WORKSPACE, error.to_string())
}

fn crashed(message: String) -> Outcome {
    failed(wtb_worker::CRASHED, message)
}

fn failed(kind: &str, message: String) -> Outcome {
    let kind = kind.to_owned();
    Outcome {
        retryable: true,
        error: Some(ErrorInfo { kind, message, traceback: None, node: None }),
        ..Outcome::of(End::Failed)
    }
}
