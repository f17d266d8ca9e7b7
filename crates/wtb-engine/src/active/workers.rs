//! The workers' side: join, poll for a task, complete it, leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, PoisonError};
use std::time::{Duration, Instant};

use wtb_model::{AttemptOutcome, EventBody, ExecutionId};
use wtb_scheduler::{AttemptEnd, Input, Token, WorkerId};
use wtb_store::UnitOfWork;

use super::ActiveBatch;
use super::state::State;
use crate::EngineError;

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
    stop: Arc<AtomicBool>,
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
            stop,
        }
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

/// How an attempt ended and what it delivers.
#[derive(Debug)]
pub struct Delivery {
    /// How it ended, for the scheduler.
    pub end: AttemptEnd,
    /// What it delivers, for the store.
    pub outcome: AttemptOutcome,
}

pub(super) struct Worker {
    pub(super) name: String,
    pub(super) completed: u64,
    /// Whether the scheduler knows that it waits.
    pub(super) waiting: bool,
    pub(super) ready: Option<Task>,
    pub(super) released: bool,
    pub(super) wake: Arc<Condvar>,
}

impl ActiveBatch {
    /// Reports that a pool of workers stands.
    pub fn pool_created(&self, runner: &str, workers: u32) -> Result<(), EngineError> {
        let body = EventBody::PoolCreated {
            runner: runner.to_owned(),
            workers,
        };
        let unit = UnitOfWork::of_events(vec![self.event(None, body)]);
        self.submit(&mut self.lock(), unit)
    }

    /// Lets a worker join; `replaces` names a failed one whose place it takes.
    pub fn join(
        &self,
        name: &str,
        ready_ms: u64,
        replaces: Option<&str>,
    ) -> Result<WorkerKey, EngineError> {
        let mut state = self.lock();
        state.workers_created += 1;
        let key = state.workers_created;
        let worker = Worker {
            name: name.to_owned(),
            completed: 0,
            waiting: false,
            ready: None,
            released: false,
            wake: Arc::new(Condvar::new()),
        };
        state.workers.insert(key, worker);
        let started = EventBody::WorkerStarted {
            worker: name.to_owned(),
            ready_ms,
        };
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
        let mut state = self.lock();
        let Some(gone) = state.workers.remove(&worker.0) else {
            return Ok(());
        };
        state.stuck.retain(|(stuck, _)| *stuck != worker.0);
        gone.wake.notify_all();
        let body = EventBody::WorkerFailed {
            worker: gone.name,
            reason: reason.to_owned(),
            completed: gone.completed,
        };
        self.submit(
            &mut state,
            UnitOfWork::of_events(vec![self.event(None, body)]),
        )?;
        self.gone(&mut state, worker)
    }

    /// Lets a worker leave that has nothing under way.
    pub fn leave(&self, worker: WorkerKey) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.workers.remove(&worker.0).is_none() {
            return Ok(());
        }
        self.gone(&mut state, worker)
    }

    fn gone(&self, state: &mut State, worker: WorkerKey) -> Result<(), EngineError> {
        if state.finished.is_some() || state.result.is_some() {
            return Ok(());
        }
        self.feed(
            state,
            Input::WorkerGone {
                worker: WorkerId(worker.0),
            },
            None,
        )
    }

    /// Waits up to `timeout` for a task. Safe to call again after [`Poll::Idle`].
    pub fn poll(&self, key: WorkerKey, timeout: Duration) -> Result<Poll, EngineError> {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        state.stuck.retain(|(stuck, _)| *stuck != key.0);
        let Some(worker) = state.workers.get_mut(&key.0) else {
            return Ok(Poll::Released);
        };
        if !worker.waiting && worker.ready.is_none() && !worker.released {
            worker.waiting = true;
            if state.finished.is_none() && state.result.is_none() {
                let input = Input::WorkerIdle {
                    worker: WorkerId(key.0),
                    slots: 1,
                };
                self.feed(&mut state, input, None)?;
            }
        }
        loop {
            let over = state.finished.is_some() || state.result.is_some();
            let Some(worker) = state.workers.get_mut(&key.0) else {
                return Ok(Poll::Released);
            };
            if let Some(task) = worker.ready.take() {
                worker.waiting = false;
                return Ok(Poll::Task(task));
            }
            if worker.released || over {
                return Ok(Poll::Released);
            }
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(Poll::Idle);
            }
            let wake = Arc::clone(&worker.wake);
            state = wake
                .wait_timeout(state, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Delivers how an attempt ended. Returns whether it was accepted: late, doubled and foreign
    /// outcomes are refused, journaled, and change nothing.
    pub fn complete(&self, task: &Task, delivery: Delivery) -> Result<bool, EngineError> {
        let mut state = self.lock();
        let end = delivery.end;
        if state.finished.is_some() || state.result.is_some() {
            self.journal_fenced(&mut state, task.token, "the batch is over")?;
            return Ok(false);
        }
        let accepted = state.running.contains_key(&task.token);
        let input = Input::Completed {
            token: Token(task.token),
            end,
        };
        self.feed(&mut state, input, Some(delivery))?;
        Ok(accepted)
    }

    /// Returns the workers whose attempt expired at least `grace` ago and that have not polled
    /// since: their threads are stuck in user code and should be replaced.
    pub fn stuck(&self, grace: Duration) -> Vec<WorkerKey> {
        let now = self.clock.elapsed_ms();
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let state = self.lock();
        let overdue = state
            .stuck
            .iter()
            .filter(|(_, since)| now.saturating_sub(*since) >= grace);
        overdue.map(|(worker, _)| WorkerKey(*worker)).collect()
    }

    /// Returns the name that a worker joined under.
    pub fn worker_name(&self, worker: WorkerKey) -> Option<String> {
        self.lock()
            .workers
            .get(&worker.0)
            .map(|worker| worker.name.clone())
    }
}
