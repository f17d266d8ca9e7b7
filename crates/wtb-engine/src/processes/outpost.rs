//! The end of a batch at a supervisor in another process: what was handed to it, and what it has to say.
//!
//! It writes into the store by itself: that an attempt starts, its checkpoints, its files and its large values,
//! all under the attempt's lease. How an attempt ended is told to whoever drives the batch, since that one decides
//! what becomes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wtb_model::{BatchId, Event, EventBody, SessionId, WorkspaceSpec};
use wtb_scheduler::AttemptEnd;
use wtb_store::{AttemptStart, Change, Store, StoreError, Ticket, UnitOfWork};
use wtb_worker::End;
use wtb_workspace::Namespaces;

use super::Source;
use crate::active::{Delivered, Delivery, Handed, Handout, Poll, Report, Task, WorkerKey};
use crate::clock::Clock;
use crate::engine::open_store;
use crate::files::{BatchFiles, Files, GivenInputs};
use crate::{EngineError, EngineSettings, Group};

/// How long what has happened waits for more, as long as the workers have enough to do.
const LINGER: Duration = Duration::from_millis(50);
/// How long an attempt may wait for its start before it is handed back, for others that are free.
const HOLD_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether what ended attempts have written is durable.
const CONFIRMED: Duration = Duration::from_millis(2);
/// How many attempts are remembered that are to stop and are neither waiting nor under way.
const STOPPED_MAX: usize = 1024;

/// What a supervisor has to know of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutpostPlan {
    /// The name of whoever is there; its workers have numbers beside it.
    #[serde(default)]
    pub name: String,
    /// The store's address, with its secrets.
    pub store: String,
    /// Where workspaces are made; see [`EngineSettings`].
    pub workspaces: Option<PathBuf>,
    /// The directory for temporary files there, which whoever is there knows: workspaces are made in it where they
    /// cannot be made at that place.
    #[serde(default)]
    pub temporary: Option<PathBuf>,
    /// How many bytes those may take together that are kept.
    pub kept_bytes_max: u64,
    /// The session that drives it.
    pub session: SessionId,
    /// The batch; `None` for a single execution.
    pub batch: Option<BatchId>,
    /// The files that executions work on.
    pub workspace: WorkspaceSpec,
    /// The inputs of each case that has its own.
    pub inputs: Vec<Option<String>>,
    /// Inputs by their directories, for machines that do not have them.
    pub given: BTreeMap<String, GivenInputs>,
}

impl OutpostPlan {
    /// Returns where workspaces are made on this machine: at the same place if that can be, else among the
    /// temporary files.
    fn place_for_workspaces(&self, base: PathBuf) -> PathBuf {
        let is_used = self.workspace.inputs.is_some() || self.inputs.iter().any(Option::is_some);
        let make = |base: &Path| {
            let session = base.join(self.session.as_str());
            DirBuilder::new().mode(0o700).recursive(true).create(session).is_ok()
        };
        if !is_used || make(&base) {
            return base;
        }
        let Some(temporary) = &self.temporary else { return base };
        let user = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
        let temporary = temporary.join(format!("wtb-workspaces-{user}"));
        // Somebody else may have taken the name.
        let is_own = |found: Metadata| found.uid() == user && found.mode() & 0o777 == 0o700;
        let is_usable = make(&temporary) && temporary.symlink_metadata().is_ok_and(is_own);
        // By the first one it is told what is wrong.
        if is_usable { temporary } else { base }
    }
}

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

#[derive(Default)]
struct State {
    queue: VecDeque<(Handed, Instant)>,
    running: HashMap<WorkerKey, Running>,
    /// Attempts that are to stop and are neither waiting nor under way: they have ended, are about to start,
    /// or have still to come, since what is sent at the same time may come in any order.
    stopped: BTreeSet<u64>,
    report: Report,
    /// Attempts that have ended, until what they have written is durable: their outcomes name it.
    ending: VecDeque<(Ticket, Delivered)>,
    /// Since when there has been something to say.
    news_since: Option<Instant>,
    is_last: bool,
    failure: Option<EngineError>,
}

struct Running {
    task: Task,
    since: Instant,
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        self.files.close();
    }
}

impl State {
    fn take(&mut self, handout: Handout) {
        let now = Instant::now();
        for handed in handout.tasks {
            if self.stopped.remove(&handed.token) {
                self.hand_back(handed.token);
            } else {
                self.queue.push_back((handed, now));
            }
        }
        for token in handout.stops {
            self.stop(token);
        }
        self.is_last |= handout.is_last;
    }

    fn stop(&mut self, token: u64) {
        if let Some(at) = self.queue.iter().position(|(handed, _)| handed.token == token) {
            self.queue.remove(at);
            self.hand_back(token);
        } else if let Some(running) =
            self.running.values().find(|running| running.task.token == token)
        {
            running.task.stop();
        } else {
            self.stopped.insert(token);
            if self.stopped.len() > STOPPED_MAX {
                self.stopped.pop_first();
            }
        }
    }

    /// When the next report is due, at the latest `until`.
    fn due(&self, until: Instant) -> Instant {
        let Some(since) = self.news_since else {
            return until;
        };
        let is_hungry = self.queue.is_empty() && !self.report.ended.is_empty();
        if is_hungry { since } else { until.min(since + LINGER) }
    }

    fn say(&mut self, now: Instant) -> Report {
        let mut report = std::mem::take(&mut self.report);
        self.news_since = (!self.ending.is_empty()).then_some(now);
        while let Some((handed, since)) = self.queue.front()
            && now.duration_since(*since) > HOLD_MAX
        {
            report.returned.push(handed.token);
            self.queue.pop_front();
        }
        report
    }

    /// Takes those among the ended attempts whose writes are durable by now. It is not waited for: who asks for
    /// news wants to hear that this supervisor lives, also while the store does not answer.
    fn confirm(&mut self) {
        while let Some(written) = self.ending.front().and_then(|(ticket, _)| ticket.poll())
            && let Some((_, delivered)) = self.ending.pop_front()
        {
            match written {
                Ok(_) => self.report.ended.push(delivered),
                Err(error) => drop(self.failure.get_or_insert(error.into())),
            }
        }
    }

    fn hand_back(&mut self, token: u64) {
        self.report.returned.push(token);
        self.has_news();
    }

    fn has_news(&mut self) {
        self.news_since.get_or_insert_with(Instant::now);
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
                self.news.notify_all();
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
        state.ending.push_back((written, delivered));
        state.has_news();
        self.news.notify_all();
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
