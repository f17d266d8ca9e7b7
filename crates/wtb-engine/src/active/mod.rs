//! A batch (or a single execution) that this session drives: workers poll it and complete tasks.
//!
//! One mutex guards the scheduler and what belongs to its decisions; every public call feeds the
//! scheduler one input, turns its commands into units of work for the store, and wakes whoever
//! waits. No user code runs here, and no call waits for the disk: the store's bounded queue is the
//! only thing that can hold a caller up.

mod apply;
mod control;
mod finish;
mod scoring;
mod state;
mod workers;

pub use finish::Ended;
pub use scoring::{Scoring, ScoringTask};
pub use workers::{Delivery, Poll, Task, WorkerKey};

pub(crate) use scoring::scoring_unit;
pub(crate) use state::{CellInfo, Setup};

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use wtb_model::{BatchId, Event, EventBody, ExecutionId, SessionId};
use wtb_scheduler::{Config, Input, Millis, Scheduler, SchedulerError};
use wtb_store::{Store, UnitOfWork};

use crate::clock::Clock;
use crate::pacemaker::Pacemaker;
use crate::{EngineError, Progress};
use state::State;

/// A batch, or a single execution, under way in this session.
pub struct ActiveBatch {
    batch: Option<BatchId>,
    session: SessionId,
    store: Arc<dyn Store>,
    clock: Clock,
    pacemaker: Weak<Pacemaker>,
    started_ms: u64,
    /// Whether evaluators want to see each success before its cell counts as done.
    scored: bool,
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
    pub(crate) clock: Clock,
    pub(crate) pacemaker: Weak<Pacemaker>,
}

impl ActiveBatch {
    pub(crate) fn new(
        context: Context,
        batch: Option<BatchId>,
        config: Config,
        setup: Setup,
    ) -> Result<Self, EngineError> {
        let scored = config.settle;
        let prior = setup.cells.iter().map(|cell| cell.prior);
        let scheduler = Scheduler::resume(config, prior)
            .map_err(|error| EngineError::Invalid(error.to_string()))?;
        Ok(Self {
            batch,
            session: context.session,
            started_ms: context.clock.elapsed_ms(),
            store: context.store,
            clock: context.clock,
            pacemaker: context.pacemaker,
            scored,
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
        self.lock()
            .cells
            .iter()
            .map(|cell| cell.execution.clone())
            .collect()
    }

    /// Returns where the batch stands.
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        let elapsed_ms = self.elapsed_ms();
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

    /// Returns when this batch next needs a tick, on the engine's clock.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        self.lock().scheduler.next_wake().map(|Millis(at)| at)
    }

    /// Lets time pass: deadlines, backoffs, and a progress event when something has moved.
    pub(crate) fn tick(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.result.is_some() {
            return Ok(());
        }
        self.feed(&mut state, Input::Tick, None)?;
        self.report_progress(&mut state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a panic was caught elsewhere; the state is changed by whole
        // inputs, so the last complete one is still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        self.clock.elapsed_ms().saturating_sub(self.started_ms)
    }

    /// Feeds the scheduler one input and carries out what it commands.
    fn feed(
        &self,
        state: &mut State,
        input: Input,
        mut delivery: Option<Delivery>,
    ) -> Result<(), EngineError> {
        self.confirm(state)?;
        let now = Millis(self.clock.elapsed_ms());
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let commands = state.scheduler.handle(now, input).map_err(refused)?;
            for command in commands {
                self.apply(state, command, &mut delivery, &mut inputs)?;
            }
        }
        if let (Some(pacemaker), Some(Millis(at))) =
            (self.pacemaker.upgrade(), state.scheduler.next_wake())
        {
            pacemaker.wake_by(at);
        }
        Ok(())
    }

    /// Queues a unit of work; its ticket is looked at later, so that nobody waits for the disk.
    fn submit(&self, state: &mut State, unit: UnitOfWork) -> Result<(), EngineError> {
        if unit.is_empty() {
            return Ok(());
        }
        let ticket = self.store.submit(unit)?;
        state.unconfirmed.push_back(ticket);
        Ok(())
    }

    fn event(&self, execution: Option<&ExecutionId>, body: EventBody) -> Event {
        Event {
            at: Clock::now(),
            session: self.session.clone(),
            batch: self.batch.clone(),
            execution: execution.cloned(),
            body,
        }
    }
}

fn refused(error: SchedulerError) -> EngineError {
    EngineError::Invalid(error.to_string())
}
