//! The end of a batch at a supervisor in another process: what was handed to it, and what it has to say.
//!
//! It writes into the store by itself: that an attempt starts, its checkpoints, its files and its large values,
//! all under the attempt's lease. How an attempt ended is told to whoever drives the batch, since that one decides
//! what becomes of it.

mod plan;
mod state;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wtb_model::{Event, EventBody};
use wtb_scheduler::AttemptEnd;
use wtb_store::{AttemptStart, Change, Store, StoreError, UnitOfWork};
use wtb_worker::End;
use wtb_workspace::Namespaces;

pub use plan::OutpostPlan;
use state::{Running, State};

use super::Source;
use crate::active::{Delivered, Delivery, Handed, Handout, Poll, Report, Task, WorkerKey};
use crate::clock::Clock;
use crate::engine::open_store;
use crate::files::{BatchFiles, Files};
use crate::{EngineError, EngineSettings, Group};

/// How often it is looked whether what ended attempts have written is durable.
const CONFIRMED: Duration = Duration::from_millis(2);

/// A batch as a supervisor in another process sees it.
pub struct Outpost {
    store: Arc<dyn Store>,
    plan: OutpostPlan,
    files: BatchFiles,
    workers: AtomicU64,
    state: Mutex<State>,
    /// Wakes workers that wait for an attempt.
    handed: Condvar,
    /// Wakes who waits for news.
    news: Condvar,
}

impl Outpost {
    /// Opens the store of a batch, and its end here.
    pub fn open(plan: OutpostPlan) -> Result<Self, EngineError> {
        let store = open_store(&plan.store, false)?;
        // Whoever cannot read large values shall not begin.
        store.object_directory()?;
        let workspaces = plan.workspaces.clone().map(|base| plan.place_for_workspaces(base));
        let kept_bytes_max = plan.kept_bytes_max;
        let settings = EngineSettings { workspaces, kept_bytes_max, objects: None };
        let files = Files::new(Arc::clone(&store), plan.session.clone(), settings);
        Ok(Self {
            files: BatchFiles::new(files, plan.workspace.clone(), plan.inputs.clone())
                .with_given(plan.given.clone()),
            store,
            plan,
            workers: AtomicU64::new(0),
            state: Mutex::default(),
            handed: Condvar::new(),
            news: Condvar::new(),
        })
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Takes attempts, and returns what has happened since the last time. Waits up to `timeout` for
    /// something to say, and a moment longer for more of it while the workers have enough to do.
    pub fn exchange(&self, handout: Handout, timeout: Duration) -> Result<Report, EngineError> {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        state.take(handout);
        self.handed.notify_all();
        loop {
            state.confirm();
            let now = Instant::now();
            let due = state.due(until);
            match &state.failure {
                // What has ended well is told before that nothing more will.
                Some(failure) if state.news_since.is_none() => return Err(failure.clone()),
                None if due > now => {}
                _ => return Ok(state.say(now)),
            }
            let soon = if state.ending.is_empty() { Duration::MAX } else { CONFIRMED };
            let wait = soon.min(due - now);
            state = self.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Says that a worker cannot go on: whoever asks for news next is told.
    pub fn fail_with(&self, error: EngineError) {
        self.lock().failure.get_or_insert(error);
        self.news.notify_all();
    }

    /// Takes attempts without waiting for what there is to say.
    pub fn hand(&self, handout: Handout) {
        self.lock().take(handout);
        self.handed.notify_all();
        self.news.notify_all();
    }

    /// Lets the workers go, whatever is under way.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_last = true;
        state.queue.clear();
        for running in state.running.values() {
            running.task.stop();
        }
        self.handed.notify_all();
    }

    /// Writes down that an attempt starts. Returns whether it may: it may have been taken back.
    fn start(&self, handed: &Handed, worker: WorkerKey) -> Result<bool, EngineError> {
        let worker = format!("{}/{}", self.plan.name, worker.0);
        let start = AttemptStart {
            session: self.plan.session.clone(),
            execution: handed.execution.clone(),
            attempt: handed.attempt,
            token: handed.token,
            worker: worker.clone(),
            lineages: handed.lineages,
            at: Clock::now(),
        };
        let event = Event {
            at: start.at,
            session: self.plan.session.clone(),
            batch: self.plan.batch.clone(),
            execution: Some(handed.execution.known()),
            body: EventBody::ExecutionStarted {
                attempt: handed.attempt,
                worker,
                variant: handed.variant.1.clone(),
                case: handed.case.1.clone(),
                repeat: handed.repeat,
            },
        };
        match self.store.commit(UnitOfWork::new(Change::StartAttempt(start), event)) {
            Ok(_) => Ok(true),
            // It was taken back, or its batch; or the end of the attempt before it is still on its way.
            Err(
                StoreError::Fenced { .. } | StoreError::Illegal(_) | StoreError::NotOwner { .. },
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Wakes who waits for news if it would not look soon enough by itself at what is about to be added: to wake it
    /// for each start and end costs as much as they do.
    fn tell(&self, state: &State) {
        let looks_soon = state.news_since.is_some() && !state.ending.is_empty();
        if !looks_soon || state.queue.is_empty() {
            self.news.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        self.files.close();
    }
}

impl Source for Outpost {
    fn join(&self, _: &str, _: u64, _: Option<&str>, _: Group) -> Result<WorkerKey, EngineError> {
        Ok(WorkerKey(self.workers.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn poll(&self, key: WorkerKey, timeout: Duration) -> Result<Poll, EngineError> {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some((handed, _)) = state.queue.pop_front() {
                drop(state);
                let may_start = self.start(&handed, key)?;
                state = self.lock();
                self.tell(&state);
                if !may_start {
                    state.stopped.remove(&handed.token);
                    state.hand_back(handed.token);
                    continue;
                }
                // It may have been stopped while its start was on its way into the store.
                let is_stopped = state.stopped.remove(&handed.token);
                let task = Task::of(&handed, Arc::new(AtomicBool::new(is_stopped)));
                state.report.began.push(task.token);
                state.has_news();
                let running = Running { task: task.clone(), since: Instant::now() };
                state.running.insert(key, running);
                return Ok(Poll::Task(task));
            }
            if state.is_last {
                return Ok(Poll::Released);
            }
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(Poll::Idle);
            }
            state = self.handed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn open_workspace(&self, task: &Task, namespaces: Namespaces) -> Result<(), EngineError> {
        task.open_workspace(&self.files, namespaces)
    }

    fn complete(&self, task: &Task, mut delivery: Delivery) -> Result<bool, EngineError> {
        if let Some(files) = task.files() {
            files.deliver(&mut delivery);
            // What cannot be removed now, a later session removes.
            let _ = files.close(false);
        }
        let Delivery { end, outcome } = delivery;
        let (end, retryable, retry_after_ms) = told(end);
        let written = self.store.submit(UnitOfWork::default())?;
        let mut state = self.lock();
        let place = state.running.iter().find(|(_, running)| running.task.token == task.token);
        if let Some(key) = place.map(|(key, _)| *key)
            && let Some(running) = state.running.remove(&key)
        {
            let busy = running.since.elapsed().as_micros();
            state.report.busy_us += u64::try_from(busy).unwrap_or(u64::MAX);
        }
        let (execution, token) = (task.execution.clone(), task.token);
        let delivered = Delivered { execution, token, end, retryable, retry_after_ms, outcome };
        self.tell(&state);
        state.ending.push_back((written, delivered));
        state.has_news();
        Ok(true)
    }

    fn fail(&self, key: WorkerKey, reason: &str) -> Result<(), EngineError> {
        let mut state = self.lock();
        if let Some(running) = state.running.remove(&key) {
            state.report.lost.push((running.task.token, reason.to_owned()));
            state.has_news();
            self.news.notify_all();
        }
        Ok(())
    }

    fn leave(&self, _: WorkerKey) -> Result<(), EngineError> {
        Ok(())
    }
}

fn told(end: AttemptEnd) -> (End, bool, Option<u64>) {
    let end = match end {
        AttemptEnd::Succeeded => End::Succeeded,
        AttemptEnd::Failed { retryable, retry_after } => {
            return (End::Failed, retryable, retry_after.map(|wait| wait.0));
        }
        AttemptEnd::TimedOut => End::TimedOut,
        AttemptEnd::Cancelled => End::Cancelled,
        AttemptEnd::Interrupted => End::Interrupted,
        AttemptEnd::Paused => End::Paused,
    };
    (end, false, None)
}
