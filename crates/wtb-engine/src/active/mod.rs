//! A batch (or a single execution) that this session drives: workers poll it and complete tasks.
//!
//! One mutex guards the scheduler and what belongs to its decisions; every public call feeds the
//! scheduler one input, turns its commands into units of work for the store, and wakes whoever
//! waits. No user code runs here, and no call waits for the disk, with one exception: whoever brings
//! the batch to its end waits until that, and everything that led to it, is durable. Otherwise the
//! store's bounded queue is the only thing that can hold a caller up.
//!
//! A store that fails ends the batch in this session. The error is given to whoever met it and to
//! everybody who waits for the end; workers are released.

mod apply;
mod attempt;
mod control;
mod delivery;
mod finish;
mod handing;
mod report;
mod scoring;
mod state;
mod workers;

pub use delivery::Delivery;
pub use finish::Ended;
pub use handing::{Delivered, Handed, Handout, Report};
pub use scoring::{Scoring, ScoringTask};
pub use workers::{Poll, Task, WorkerKey};

pub(crate) use scoring::scoring_unit;
pub(crate) use state::{CellInfo, Setup};

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use wtb_model::{AttemptOutcome, BatchId, Event, EventBody, ExecutionId, SessionId};
use wtb_scheduler::{Config, Group, Input, Millis, Scheduler, SchedulerError};
use wtb_store::{Store, UnitOfWork};

use crate::clock::Clock;
use crate::environments::Environments;
#[cfg(unix)]
use crate::files::{BatchFiles, Files};
use crate::pacemaker::Pacemaker;
use crate::{EngineError, Progress};
use state::State;

/// How long a wait without an end lasts before it is renewed.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// A batch, or a single execution, under way in this session.
pub struct ActiveBatch {
    batch: Option<BatchId>,
    session: SessionId,
    store: Arc<dyn Store>,
    /// The store's address, with its secrets.
    address: Arc<str>,
    clock: Clock,
    pacemaker: Weak<Pacemaker>,
    process: u32,
    started_ms: u64,
    /// Whether evaluators want to see each success before its cell counts as done.
    scored: bool,
    /// Whether attempts write checkpoints.
    checkpointed: bool,
    /// Whether workers take attempts ahead of the moment in which they begin with them, and write down
    /// their starts by themselves: see [`handing`].
    hands_ahead: bool,
    environments: Environments,
    #[cfg(unix)]
    files: BatchFiles,
    state: Mutex<State>,
    /// Wakes those who wait for the end.
    ended: Condvar,
    /// Wakes those who wait for something to score.
    scorable: Condvar,
}

/// What an active batch needs from the engine that made it.
pub(crate) struct Context {
    pub(crate) session: SessionId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) address: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) pacemaker: Weak<Pacemaker>,
    pub(crate) process: u32,
    #[cfg(unix)]
    pub(crate) files: Arc<Files>,
}

/// An outcome on its way to the store, and the execution that it claims to be of.
struct Arrival<'task> {
    execution: &'task ExecutionId,
    outcome: AttemptOutcome,
}

impl ActiveBatch {
    pub(crate) fn new(
        context: Context,
        batch: Option<BatchId>,
        config: Config,
        setup: Setup,
    ) -> Result<Self, EngineError> {
        let (scored, hands_ahead) = (config.settle, config.hands_ahead);
        let prior = setup.cells.iter().map(|cell| cell.prior);
        let scheduler = Scheduler::resume(config, prior)?;
        Ok(Self {
            batch,
            session: context.session,
            started_ms: context.clock.elapsed_ms(),
            store: context.store,
            address: context.address,
            clock: context.clock,
            pacemaker: context.pacemaker,
            process: context.process,
            scored,
            checkpointed: setup.checkpointed,
            hands_ahead,
            environments: setup.environments.clone(),
            #[cfg(unix)]
            files: BatchFiles::new(context.files, setup.workspace.clone(), setup.inputs.clone()),
            state: Mutex::new(State::new(scheduler, setup)),
            ended: Condvar::new(),
            scorable: Condvar::new(),
        })
    }

    /// Returns the batch's id; `None` for a single execution.
    pub fn id(&self) -> Option<&BatchId> {
        self.batch.as_ref()
    }

    /// Returns the ids of the executions that this session runs, in the order of their cells.
    pub fn executions(&self) -> Vec<ExecutionId> {
        let state = self.lock();
        state.cells.iter().map(|cell| cell.execution.clone()).collect()
    }

    /// Returns what the batch's variants need of where they run, `None` for nothing in particular. The
    /// workers of each are a [`Group`] of their own, by its place here.
    pub fn environments(&self) -> &[Option<serde_json::Value>] {
        self.environments.all()
    }

    /// Returns how many executions that a group's workers can make have not ended.
    pub fn outstanding(&self, group: Group) -> u32 {
        self.lock().scheduler.outstanding(group)
    }

    /// Whether this is the single execution `execution`, and under way.
    pub(crate) fn drives_single(&self, execution: &ExecutionId) -> bool {
        let state = self.lock();
        let own = |cell: &CellInfo| &cell.execution == execution;
        self.batch.is_none() && state.result.is_none() && state.cells.iter().any(own)
    }

    /// Returns what supervisors in other processes have to know of it. Inputs that there still is something
    /// to do with are read and stored for that, so that machines without them get them.
    #[cfg(target_os = "linux")]
    pub fn outpost_plan(&self) -> Result<crate::OutpostPlan, EngineError> {
        let (workspace, inputs) = self.files.plan();
        let settings = self.files.settings();
        let cases: Vec<_> = self.lock().cells.iter().map(|cell| cell.case).collect();
        let given = self.files.give(cases.into_iter(), self.batch.as_ref(), &self.session)?;
        Ok(crate::OutpostPlan {
            name: String::new(),
            store: self.address_elsewhere(),
            workspaces: settings.workspaces.clone(),
            temporary: None,
            kept_bytes_max: settings.kept_bytes_max,
            session: self.session.clone(),
            batch: self.batch.clone(),
            workspace: workspace.clone(),
            inputs: inputs.to_vec(),
            given,
        })
    }

    /// The store's address as it is in other processes, whatever their working directory is.
    #[cfg(target_os = "linux")]
    fn address_elsewhere(&self) -> String {
        let Some(file) = self.store.file() else { return self.address.to_string() };
        match self.address.strip_prefix("sqlite:///") {
            None => file.display().to_string(),
            Some(given) => {
                let query = given.find('?').map_or("", |at| &given[at..]);
                format!("sqlite:///{}{query}", file.display())
            }
        }
    }

    /// Returns where the batch stands.
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        let until_ms = state.ended_ms.unwrap_or_else(|| self.clock.elapsed_ms());
        let elapsed_ms = until_ms.saturating_sub(self.started_ms);
        let ended = state.ended_here;
        let (per_second, remaining_ms) =
            crate::progress::rate(ended, state.counts.outstanding(), elapsed_ms);
        Progress {
            total: state.counts.total(),
            counts: state.counts,
            unscored: state.unscored(),
            retried: state.retried,
            elapsed_ms,
            per_second,
            remaining_ms,
            status: state.status,
            backpressure: state.backpressure,
            failures: state.failures.iter().cloned().collect(),
        }
    }

    /// Lets time pass: deadlines, backoffs, and a progress event when something has moved. Returns
    /// when the next tick is needed, on the engine's clock; `None` when none is.
    pub(crate) fn tick(&self) -> Result<Option<u64>, EngineError> {
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(None);
        }
        self.feed(&mut state, Input::Tick)?;
        self.report_progress(&mut state)?;
        let over = state.result.is_some();
        let next = state.scheduler.next_wake().filter(|_| !over);
        Ok(next.map(|Millis(at)| at))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a panic was caught elsewhere; the state is changed by whole
        // inputs, so the last complete one is still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        self.clock.elapsed_ms().saturating_sub(self.started_ms)
    }

    /// Refuses to hand out work in a process that was forked from the one that opened the engine:
    /// the same work is done there, and nothing delivered here would reach the store.
    fn check_process(&self) -> Result<(), EngineError> {
        crate::engine::check_process(self.process)
    }

    /// Feeds the scheduler one input and carries out what it commands.
    fn feed(&self, state: &mut State, input: Input) -> Result<(), EngineError> {
        self.feed_with(state, input, &mut None)
    }

    /// Like [`ActiveBatch::feed`]; takes `arrival` when the input is an outcome that is accepted.
    fn feed_with(
        &self,
        state: &mut State,
        input: Input,
        arrival: &mut Option<Arrival<'_>>,
    ) -> Result<(), EngineError> {
        self.confirm(state)?;
        if state.result.is_some() {
            let text = "the batch is over in this session; take it up again to go on";
            return Err(EngineError::Invalid(text.to_owned()));
        }
        let now = Millis(self.clock.elapsed_ms());
        state.now_ms = now.0;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let commands = state.scheduler.handle(now, input).map_err(refused)?;
            for command in commands {
                self.apply(state, command, arrival, &mut inputs)?;
            }
        }
        if let (Some(pacemaker), Some(Millis(at))) =
            (self.pacemaker.upgrade(), state.scheduler.next_wake())
        {
            pacemaker.wake_by(at);
        }
        Ok(())
    }

    /// Queues a unit of work; its ticket is looked at later, so that nobody waits for the disk. A
    /// store that takes nothing any more ends the batch in this session.
    fn submit(&self, state: &mut State, unit: UnitOfWork) -> Result<(), EngineError> {
        match self.store.submit(unit) {
            Ok(ticket) => {
                state.unconfirmed.push_back(ticket);
                Ok(())
            }
            Err(error) => Err(self.fail_with(state, error.into())),
        }
    }

    /// Journals what is only worth a note once the batch is over: a store that is closed or has
    /// failed by then is no news.
    fn note(&self, execution: Option<&ExecutionId>, body: EventBody) {
        drop(self.store.submit(UnitOfWork::of_events(vec![self.event(execution, body)])));
    }

    fn journal(&self, state: &mut State, body: EventBody) -> Result<(), EngineError> {
        self.submit(state, UnitOfWork::of_events(vec![self.event(None, body)]))
    }

    fn event(&self, execution: Option<&ExecutionId>, body: EventBody) -> Event {
        Event {
            at: Clock::now(),
            session: self.session.clone(),
            batch: self.batch.clone(),
            // The journal is for people: what a cell went on to is under its own id, too.
            execution: execution.map(ExecutionId::known),
            body,
        }
    }
}

fn refused(error: SchedulerError) -> EngineError {
    EngineError::Invalid(error.to_string())
}

/// When a wait of this length ends; `None` for one that ends later than the clock can say.
fn until(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// How long to wait at the most until then.
fn rest(until: Option<Instant>) -> Duration {
    until.map_or(WAIT_MAX, |until| until.saturating_duration_since(Instant::now()))
}
