//! The facade: open a store, create and take up batches and executions, close.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use wtb_model::{
    BatchId, Event, EventBody, ExecutionId, ExecutionRecord, JournalEntry, ScoreRecord, SessionId,
};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Change, JournalFilter, Store, StoreError, UnitOfWork};

use crate::active::{ActiveBatch, Context};
use crate::batches::{self, Claim};
use crate::clock::Clock;
use crate::pacemaker::Pacemaker;
use crate::plan::{BatchPlan, Extension, SinglePlan};
use crate::{EngineError, entropy, session};

/// An open store and the session that works with it.
///
/// ```no_run
/// use wtb_engine::Engine;
///
/// let engine = Engine::open("sqlite:///tmp/example/wtb.db")?;
/// for summary in engine.store().batches(&Default::default(), wtb_store::Page::ALL)? {
///     let _name = summary.batch.name;
/// }
/// engine.close()?;
/// # Ok::<(), wtb_engine::EngineError>(())
/// ```
pub struct Engine {
    store: Arc<dyn Store>,
    session: SessionId,
    clock: Clock,
    process: u32,
    pacemaker: Arc<Pacemaker>,
    thread: Mutex<Option<JoinHandle<()>>>,
    active: Mutex<Vec<Weak<ActiveBatch>>>,
}

/// Opens a store by its address: `sqlite:///path/to/wtb.db`, or a path.
///
/// With `create`, a store that does not exist is made; without, it is an error.
pub fn open_store(url: &str, create: bool) -> Result<Arc<dyn Store>, EngineError> {
    let options = SqliteOptions {
        create,
        ..SqliteOptions::default()
    };
    Ok(Arc::new(SqliteStore::open(url, options)?))
}

impl Engine {
    /// Opens a store, creating it when it does not exist, and begins a session.
    pub fn open(url: &str) -> Result<Arc<Self>, EngineError> {
        let store = open_store(url, true)?;
        let clock = Clock::start();
        let session = entropy::session_id()?;
        let record = session::describe(session.clone(), Clock::now());
        store.commit(UnitOfWork::silent(Change::OpenSession(record)))?;
        let (pacemaker, thread) = Pacemaker::start(clock, Arc::clone(&store), session.clone())
            .map_err(|error| EngineError::Invalid(format!("cannot start a thread: {error}")))?;
        Ok(Arc::new(Self {
            store,
            session,
            clock,
            process: std::process::id(),
            pacemaker,
            thread: Mutex::new(Some(thread)),
            active: Mutex::new(Vec::new()),
        }))
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the session's id.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Refuses to work in a process other than the one that opened the engine: neither its threads
    /// nor its database connections survive a fork.
    pub fn check_process(&self) -> Result<(), EngineError> {
        let used_in = std::process::id();
        if used_in == self.process {
            return Ok(());
        }
        Err(EngineError::Forked {
            opened_in: self.process,
            used_in,
        })
    }

    /// Creates a batch and takes it up: it is durable, and workers may join and poll.
    pub fn submit(&self, plan: BatchPlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_process()?;
        let created = batches::create(self.store.as_ref(), &self.session, plan)?;
        self.activate(created)
    }

    /// Creates a single execution and takes it up.
    pub fn submit_single(&self, plan: SinglePlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_process()?;
        let timeout_ms = plan.timeout_ms;
        let record = batches::create_single(self.store.as_ref(), plan)?;
        self.activate_single(record, timeout_ms)
    }

    /// Takes up a batch that an earlier session left unfinished: what ended is not run again, what
    /// was under way is. A batch with nothing outstanding ends at once.
    pub fn resume(&self, batch: &BatchId) -> Result<Arc<ActiveBatch>, EngineError> {
        self.take_up(batch, Vec::new())
    }

    /// Sends ended executions of a batch back to the queue and takes the batch up.
    pub fn retry(
        &self,
        batch: &BatchId,
        executions: &[ExecutionId],
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let requeue = executions.iter().map(|execution| {
            let change = Change::RequeueExecution {
                execution: execution.clone(),
            };
            let body = EventBody::ExecutionRequeued {
                reason: "it is retried".to_owned(),
            };
            UnitOfWork::new(change, self.event(Some(batch), Some(execution), body))
        });
        self.take_up(batch, requeue.collect())
    }

    /// Sends a single execution that has ended back to the queue and takes it up.
    pub fn retry_single(
        &self,
        execution: &ExecutionId,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_process()?;
        let change = Change::RequeueExecution {
            execution: execution.clone(),
        };
        let body = EventBody::ExecutionRequeued {
            reason: "it is retried".to_owned(),
        };
        self.store.commit(UnitOfWork::new(
            change,
            self.event(None, Some(execution), body),
        ))?;
        let record = self.store.execution(execution)?;
        self.activate_single(record, timeout_ms)
    }

    /// Adds variants, cases or repeats to a batch and takes it up: only what is new runs.
    pub fn extend(
        &self,
        batch: &BatchId,
        extension: Extension,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let unit = batches::extend(self.store.as_ref(), batch, extension, |body| {
            self.event(Some(batch), None, body)
        })?;
        self.take_up(batch, vec![unit])
    }

    /// Writes scores of an execution outside of an active batch, replacing those of the same name.
    pub fn put_scores(
        &self,
        execution: &ExecutionId,
        scores: Vec<ScoreRecord>,
    ) -> Result<(), EngineError> {
        self.check_process()?;
        let batch = self.store.execution(execution)?.batch;
        let unit = crate::active::scoring_unit(execution, scores, |body| {
            self.event(batch.as_ref(), Some(execution), body)
        });
        self.store.submit(unit)?;
        Ok(())
    }

    /// Writes an event of the user's own, or one about subscribers, into the journal.
    pub fn publish(
        &self,
        batch: Option<&BatchId>,
        execution: Option<&ExecutionId>,
        body: EventBody,
    ) -> Result<u64, EngineError> {
        self.check_process()?;
        let unit = UnitOfWork::of_events(vec![self.event(batch, execution, body)]);
        Ok(self.store.commit(unit)?.sequence)
    }

    /// Reads the journal after a sequence number, oldest first, at most `limit` entries.
    pub fn journal(
        &self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        Ok(self.store.journal(filter, after, limit)?)
    }

    /// Returns the active batch with that id, if this session drives it.
    pub fn active(&self, batch: &BatchId) -> Option<Arc<ActiveBatch>> {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active
            .iter()
            .filter_map(Weak::upgrade)
            .find(|known| known.id() == Some(batch) && known.is_under_way())
    }

    /// Ends the session: leaves active batches to a later one, and closes the store.
    pub fn close(&self) -> Result<(), EngineError> {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return Ok(()) };
        self.pacemaker.stop();
        if self.check_process().is_err() {
            return Ok(()); // The thread and the connections belong to the process we forked from.
        }
        drop(thread.join());
        let active: Vec<_> = {
            let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            active.iter().filter_map(Weak::upgrade).collect()
        };
        for batch in active {
            batch.abandon()?;
        }
        let change = Change::CloseSession {
            session: self.session.clone(),
            at: Clock::now(),
        };
        self.store.commit(UnitOfWork::silent(change))?;
        Ok(self.store.close()?)
    }

    fn take_up(
        &self,
        batch: &BatchId,
        first: Vec<UnitOfWork>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_process()?;
        if self.active(batch).is_some() {
            return Err(EngineError::Busy {
                batch: batch.clone(),
                owner: "this program; wait for the batch to end".to_owned(),
            });
        }
        let claim = Claim {
            store: self.store.as_ref(),
            session: &self.session,
            batch,
        };
        claim.take(Clock::now())?;
        for unit in first {
            self.store.submit(unit)?;
        }
        self.store.flush()?;
        self.activate(claim.load()?)
    }

    fn activate(&self, taken: batches::Taken) -> Result<Arc<ActiveBatch>, EngineError> {
        let config = batches::scheduler_config(&taken.spec, taken.first_token);
        let resumed = taken.resumed;
        let spec = taken.spec;
        let active = ActiveBatch::new(self.context(), Some(taken.batch), config, taken.setup)?;
        let active = self.watch(active);
        active.begin(&spec.runner, spec.max_workers, resumed)?;
        Ok(active)
    }

    fn activate_single(
        &self,
        record: ExecutionRecord,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        let (config, setup) = batches::single_setup(record, timeout_ms);
        let active = self.watch(ActiveBatch::new(self.context(), None, config, setup)?);
        active.tick()?;
        Ok(active)
    }

    fn watch(&self, active: ActiveBatch) -> Arc<ActiveBatch> {
        let active = Arc::new(active);
        {
            let mut known = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|batch| batch.strong_count() > 0);
            known.push(Arc::downgrade(&active));
        }
        self.pacemaker.watch(&active);
        active
    }

    fn context(&self) -> Context {
        Context {
            session: self.session.clone(),
            store: Arc::clone(&self.store),
            clock: self.clock,
            pacemaker: Arc::downgrade(&self.pacemaker),
        }
    }

    fn event(
        &self,
        batch: Option<&BatchId>,
        execution: Option<&ExecutionId>,
        body: EventBody,
    ) -> Event {
        Event {
            at: Clock::now(),
            session: self.session.clone(),
            batch: batch.cloned(),
            execution: execution.cloned(),
            body,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Errors at the very end have nobody left to hear them; `close` reports them.
        drop(self.close());
    }
}

impl From<wtb_scheduler::ConfigError> for EngineError {
    fn from(error: wtb_scheduler::ConfigError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl EngineError {
    /// Whether the error says that nothing has the id that was asked for.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(StoreError::NotFound { .. }))
    }
}
