//! The workers' side: join, poll for a task, complete it, leave.

use std::collections::VecDeque;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, PoisonError};
use std::time::Duration;

use wtb_model::{EventBody, ExecutionId};
use wtb_scheduler::{Group, Input, Token, WorkerId};
use wtb_store::{Lease, UnitOfWork};
#[cfg(unix)]
use wtb_workspace::Namespaces;

#[cfg(target_os = "linux")]
use super::Handed;
use super::state::State;
use super::{ActiveBatch, Arrival, Delivery, rest, until};
use crate::EngineError;
#[cfg(unix)]
use crate::files::{AttemptFiles, BatchFiles};

/// Names a worker of one active batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerKey(pub u64);

/// An attempt to make.
#[derive(Debug, Clone)]
pub struct Task {
    /// The execution.
    pub execution: ExecutionId,
    /// The variant's place among the batch's variants, from 0.
    pub variant: u32,
    /// The case's place among the batch's cases, from 0.
    pub case: u32,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The fencing token that the outcome must come with.
    pub token: u64,
    /// What to seed random number generators with.
    pub seed: u64,
    /// When the attempt expires, in milliseconds from now.
    pub deadline_ms: Option<u64>,
    /// The lineage that its checkpoints belong to (LangGraph: its thread); `None` without checkpoints.
    pub thread: Option<String>,
    /// Whether it goes on from the lineage's head, and not from the input.
    pub from_head: bool,
    stop: Arc<AtomicBool>,
    #[cfg(unix)]
    files: Arc<OnceLock<Arc<AttemptFiles>>>,
}

impl Task {
    /// Whether the attempt was cancelled or expired: whoever runs it should stop when it can.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn new(
        cell: &super::CellInfo,
        attempt: u32,
        token: u64,
        deadline_ms: Option<u64>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            execution: cell.execution.clone(),
            variant: cell.variant,
            case: cell.case,
            repeat: cell.repeat,
            attempt,
            token,
            seed: cell.seed,
            deadline_ms,
            thread: (cell.lineages > 0).then(|| cell.execution.thread(cell.lineages)),
            from_head: cell.from_head,
            stop,
            #[cfg(unix)]
            files: Arc::default(),
        }
    }

    /// Takes up an attempt that was handed over from another process.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(handed: &Handed, stop: Arc<AtomicBool>) -> Self {
        Self {
            execution: handed.execution.clone(),
            variant: handed.variant.0,
            case: handed.case.0,
            repeat: handed.repeat,
            attempt: handed.attempt,
            token: handed.token,
            seed: handed.seed,
            deadline_ms: None,
            thread: handed.thread.clone(),
            from_head: handed.from_head,
            stop,
            files: Arc::default(),
        }
    }

    /// Asks whoever makes the attempt to stop.
    #[cfg(target_os = "linux")]
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Makes its private files, if its case has any.
    #[cfg(unix)]
    pub(crate) fn open_workspace(
        &self,
        files: &BatchFiles,
        namespaces: Namespaces,
    ) -> Result<(), EngineError> {
        if let Some(own) = files.begin(self, namespaces)? {
            drop(self.files.set(Arc::new(own)));
        }
        Ok(())
    }

    /// Returns its private files, if [`ActiveBatch::open_workspace`] has made them.
    #[cfg(unix)]
    pub fn files(&self) -> Option<&Arc<AttemptFiles>> {
        self.files.get()
    }

    /// Returns the lease under which the attempt writes.
    pub fn lease(&self) -> Lease {
        Lease { execution: self.execution.clone(), token: self.token }
    }
}

/// What a poll brings.
#[derive(Debug)]
pub enum Poll {
    /// An attempt to make.
    Task(Task),
    /// Nothing yet; poll again.
    Idle,
    /// Nothing more will come: the worker can go.
    Released,
}

pub(super) struct Worker {
    pub(super) name: String,
    /// Whose attempts it makes.
    pub(super) group: Group,
    pub(super) completed: u64,
    /// How many tasks it waits for, as far as the scheduler knows.
    pub(super) slots: u32,
    pub(super) ready: VecDeque<Task>,
    /// The tokens of attempts that it has to stop, for one that is elsewhere.
    pub(super) stops: Vec<u64>,
    pub(super) released: bool,
    pub(super) wake: Arc<Condvar>,
}

impl ActiveBatch {
    /// Reports that a pool of workers stands.
    pub fn pool_created(&self, runner: &str, workers: u32) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(()); // It had ended before anybody could work for it.
        }
        let body = EventBody::PoolCreated { runner: runner.to_owned(), workers };
        self.journal(&mut state, body)
    }

    /// Lets a worker of a group join; `replaces` names a failed one whose place it takes. One that comes
    /// when the batch is over is released by its first poll.
    pub fn join(
        &self,
        name: &str,
        ready_ms: u64,
        replaces: Option<&str>,
        group: Group,
    ) -> Result<WorkerKey, EngineError> {
        self.check_process()?;
        let mut state = self.lock();
        state.workers_created += 1;
        let key = state.workers_created;
        if state.result.is_some() {
            return Ok(WorkerKey(key));
        }
        let worker = Worker {
            name: name.to_owned(),
            group,
            completed: 0,
            slots: 0,
            ready: VecDeque::new(),
            stops: Vec::new(),
            released: false,
            wake: Arc::new(Condvar::new()),
        };
        state.workers.insert(key, worker);
        let started = EventBody::WorkerStarted { worker: name.to_owned(), ready_ms };
        let mut events = vec![self.event(None, started)];
        if let Some(replaces) = replaces {
            let body = EventBody::WorkerReplaced {
                worker: name.to_owned(),
                replaces: replaces.to_owned(),
            };
            events.push(self.event(None, body));
        }
        self.submit(&mut state, UnitOfWork::of_events(events))?;
        Ok(WorkerKey(key))
    }

    /// Reports a worker as lost: its attempts are lost, what it still delivers is fenced.
    pub fn fail(&self, worker: WorkerKey, reason: &str) -> Result<(), EngineError> {
        self.settle_handed(Some(worker))?;
        let mut state = self.lock();
        let Some(gone) = state.workers.remove(&worker.0) else {
            return Ok(());
        };
        gone.wake.notify_all();
        let body = EventBody::WorkerFailed {
            worker: gone.name,
            reason: reason.to_owned(),
            completed: gone.completed,
        };
        if state.result.is_some() {
            self.note(None, body);
            return Ok(());
        }
        self.journal(&mut state, body)?;
        self.gone(&mut state, worker)
    }

    /// Lets a worker leave. What it still has under way is lost.
    pub fn leave(&self, worker: WorkerKey) -> Result<(), EngineError> {
        self.settle_handed(Some(worker))?;
        let mut state = self.lock();
        if state.workers.remove(&worker.0).is_none() {
            return Ok(());
        }
        self.gone(&mut state, worker)
    }

    fn gone(&self, state: &mut State, worker: WorkerKey) -> Result<(), EngineError> {
        state.stuck.retain(|(stuck, _)| *stuck != worker.0);
        if state.is_over() {
            return Ok(());
        }
        self.feed(state, Input::WorkerGone { worker: WorkerId(worker.0) })
    }

    /// Waits up to `timeout` for a task. Safe to call again after [`Poll::Idle`].
    pub fn poll(&self, key: WorkerKey, timeout: Duration) -> Result<Poll, EngineError> {
        self.check_process()?;
        let until = until(timeout);
        let mut state = self.lock();
        state.stuck.retain(|(stuck, _)| *stuck != key.0);
        loop {
            let over = state.is_over();
            let Some(worker) = state.workers.get_mut(&key.0) else {
                return Ok(Poll::Released);
            };
            if over || worker.released {
                return Ok(Poll::Released);
            }
            if let Some(task) = worker.ready.pop_front() {
                return Ok(Poll::Task(task));
            }
            if worker.slots == 0 {
                worker.slots = 1;
                let (worker, group) = (WorkerId(key.0), worker.group);
                let input = Input::WorkerIdle { worker, slots: 1, group };
                self.feed(&mut state, input)?;
                continue;
            }
            let rest = rest(until);
            if rest.is_zero() {
                return Ok(Poll::Idle);
            }
            let wake = Arc::clone(&worker.wake);
            state = wake.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes the private files of an attempt, if its case has any; see [`Task::files`]. To be called
    /// once, before the attempt begins. What processes see that are in other namespaces is theirs to
    /// mount.
    #[cfg(unix)]
    pub fn open_workspace(&self, task: &Task, namespaces: Namespaces) -> Result<(), EngineError> {
        self.check_process()?;
        task.open_workspace(&self.files, namespaces)
    }

    /// Delivers how an attempt ended. Returns whether it was accepted: late, doubled and foreign
    /// outcomes are refused, journaled, and change nothing. Its files are stored with it, and its
    /// workspace is removed or kept.
    pub fn complete(&self, task: &Task, delivery: Delivery) -> Result<bool, EngineError> {
        self.check_process()?;
        #[cfg(unix)]
        if let Some(files) = task.files() {
            return self.complete_with_files(task, files, delivery);
        }
        self.accept(task, delivery)
    }

    #[cfg(unix)]
    fn complete_with_files(
        &self,
        task: &Task,
        files: &AttemptFiles,
        mut delivery: Delivery,
    ) -> Result<bool, EngineError> {
        files.deliver(&mut delivery);
        let accepted = self.accept(task, delivery)?;
        // One that comes too late was timed out, as a rule. What cannot be removed now, since a thread
        // that the attempt has left behind still writes there, is removed by a later session.
        let _ = files.close(!accepted && self.is_under_way());
        Ok(accepted)
    }

    fn accept(&self, task: &Task, delivery: Delivery) -> Result<bool, EngineError> {
        self.accept_outcome(&mut self.lock(), &task.lease(), delivery)
    }

    pub(super) fn accept_outcome(
        &self,
        state: &mut State,
        lease: &Lease,
        delivery: Delivery,
    ) -> Result<bool, EngineError> {
        let Lease { execution, token } = lease;
        if state.is_over() {
            let reason = "the batch is over".to_owned();
            self.note(Some(execution), EventBody::AttemptFenced { token: *token, reason });
            return Ok(false);
        }
        let Delivery { end, outcome } = delivery;
        let mut arrival = Some(Arrival { execution, outcome });
        let input = Input::Completed { token: Token(*token), end };
        self.feed_with(state, input, &mut arrival)?;
        Ok(arrival.is_none())
    }

    /// Returns the workers whose attempt expired at least `grace` ago and that have not polled
    /// since: their threads are stuck in user code and should be replaced.
    pub fn stuck(&self, grace: Duration) -> Vec<WorkerKey> {
        let now = self.clock.elapsed_ms();
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let state = self.lock();
        if state.is_over() {
            return Vec::new();
        }
        let overdue = state.stuck.iter().filter(|(_, since)| now.saturating_sub(*since) >= grace);
        overdue.map(|(worker, _)| WorkerKey(*worker)).collect()
    }

    /// Returns the name that a worker joined under.
    pub fn worker_name(&self, worker: WorkerKey) -> Option<String> {
        self.lock().workers.get(&worker.0).map(|worker| worker.name.clone())
    }
}
