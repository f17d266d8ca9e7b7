//! The facade: open a store, create and take up batches and executions, close.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use wtb_model::{
    BatchId, BatchSpec, Event, EventBody, ExecutionId, JournalEntry, ScoreRecord, SessionId,
};
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Change, JournalFilter, Store, UnitOfWork};

use crate::active::{ActiveBatch, Context, scoring_unit};
use crate::clock::Clock;
#[cfg(unix)]
use crate::files::Files;
use crate::pacemaker::Pacemaker;
use crate::plan::{BatchPlan, Beginning, Extension};
use crate::takeover::{Claim, Taken};
use crate::{EngineError, create, entropy, session, settings};

/// How much the workspaces may take together that are kept after their attempts, unless it is said.
pub const KEPT_BYTES_MAX: u64 = 10 << 30;

/// Where a session has files beside its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The directory that workspaces are made in; without one there are none.
    pub workspaces: Option<PathBuf>,
    /// How many bytes those may take together that are kept; the oldest ones have to go then.
    pub kept_bytes_max: u64,
    /// The directory for the bytes of large objects, which the store remembers; `None` leaves it where it is.
    pub objects: Option<PathBuf>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { workspaces: None, kept_bytes_max: KEPT_BYTES_MAX, objects: None }
    }
}

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
    pub(crate) store: Arc<dyn Store>,
    /// The store's address, with its secrets.
    address: Arc<str>,
    pub(crate) session: SessionId,
    clock: Clock,
    process: u32,
    pub(crate) pacemaker: Arc<Pacemaker>,
    /// The pacemaker's thread; `None` once the engine is closed. Held while it is being closed.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What this session drives; `None` once the engine is closed.
    active: Mutex<Option<Vec<Weak<ActiveBatch>>>>,
    /// Held while something is taken up, so that two threads do not take up the same.
    pub(crate) taking_up: Mutex<()>,
    #[cfg(unix)]
    files: Arc<Files>,
}

/// Opens a store by its address: `sqlite:///path/to/wtb.db`, a path, or
/// `postgresql://user@host/database`.
///
/// With `create`, a store that does not exist is made; without, it is an error.
pub fn open_store(url: &str, create: bool) -> Result<Arc<dyn Store>, EngineError> {
    if wtb_postgres::is_address(url) {
        let options = PostgresOptions { create, ..PostgresOptions::default() };
        return Ok(Arc::new(PostgresStore::open(url, options)?));
    }
    let options = SqliteOptions { create, ..SqliteOptions::default() };
    Ok(Arc::new(SqliteStore::open(url, options)?))
}

/// Refuses to work in a process other than the one that opened the engine: neither its threads nor
/// its database connections survive a fork.
pub(crate) fn check_process(opened_in: u32) -> Result<(), EngineError> {
    let used_in = std::process::id();
    if used_in == opened_in {
        return Ok(());
    }
    Err(EngineError::Forked { opened_in, used_in })
}

impl Engine {
    /// Opens a store, creating it when it does not exist, and begins a session without workspaces.
    pub fn open(url: &str) -> Result<Arc<Self>, EngineError> {
        Self::open_with(url, EngineSettings::default())
    }

    /// The same, with workspaces.
    pub fn open_with(url: &str, settings: EngineSettings) -> Result<Arc<Self>, EngineError> {
        let store = open_store(url, true)?;
        if let Some(directory) = &settings.objects {
            store.keep_objects_in(directory)?;
        }
        let clock = Clock::start();
        let session = entropy::session_id()?;
        let record = session::describe(session.clone(), Clock::now());
        store.commit(UnitOfWork::silent(Change::OpenSession(record)))?;
        let (pacemaker, thread) = Pacemaker::start(clock, Arc::clone(&store), session.clone())
            .map_err(|error| EngineError::Invalid(format!("cannot start a thread: {error}")))?;
        session::opened(&session);
        Ok(Arc::new(Self {
            #[cfg(unix)]
            files: Files::new(Arc::clone(&store), session.clone(), settings),
            store,
            address: url.into(),
            session,
            clock,
            process: std::process::id(),
            pacemaker,
            thread: Mutex::new(Some(thread)),
            active: Mutex::new(Some(Vec::new())),
            taking_up: Mutex::new(()),
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
        check_process(self.process)
    }

    /// Creates a batch and takes it up: it is durable, and workers may join and poll.
    pub fn submit(&self, plan: BatchPlan) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        self.activate(create::create(self.store.as_ref(), &self.session, plan)?)
    }

    /// Takes up a batch that an earlier session left unfinished: what ended is not run again, what
    /// was under way is. One that has ended, with nothing to run or to score, stays as it is.
    pub fn resume(&self, batch: &BatchId) -> Result<Arc<ActiveBatch>, EngineError> {
        self.take_up(batch, || Ok(UnitOfWork::default()))
    }

    /// The same, and changes what is asked of the batch: where it runs from now on.
    pub fn resume_as(
        &self,
        batch: &BatchId,
        spec: BatchSpec,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        settings::scheduler_config(&spec, 1).validate()?;
        let change = Change::SetBatchSpec { batch: batch.clone(), spec: Box::new(spec) };
        self.take_up(batch, || Ok(UnitOfWork::silent(change)))
    }

    /// Sends ended executions of a batch back to the queue and takes the batch up: they begin anew, or
    /// go on from their heads. Either all of them go back, or the error says which one cannot.
    pub fn retry(
        &self,
        batch: &BatchId,
        executions: &[ExecutionId],
        beginning: Beginning,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.take_up(batch, || {
            let mut unit = UnitOfWork::default();
            for execution in executions {
                if self.store.execution(execution)?.batch.as_ref() != Some(batch) {
                    let text = format!("execution {execution} does not belong to batch {batch}");
                    return Err(EngineError::Invalid(text));
                }
                if beginning == Beginning::Head {
                    self.check_own_head(execution)?;
                }
                let (change, event) = self.requeue(Some(batch), execution, beginning);
                unit.changes.push(change);
                unit.events.push(event);
            }
            Ok(unit)
        })
    }

    /// Adds variants, cases or repeats to a batch and takes it up: what is new runs, and what was
    /// left unfinished.
    pub fn extend(
        &self,
        batch: &BatchId,
        extension: Extension,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.take_up(batch, || {
            create::extend(self.store.as_ref(), batch, extension, |body| {
                self.event(Some(batch), None, body)
            })
        })
    }

    /// Writes scores of an execution outside of an active batch, replacing those of the same name.
    pub fn put_scores(
        &self,
        execution: &ExecutionId,
        scores: Vec<ScoreRecord>,
    ) -> Result<(), EngineError> {
        self.check_process()?;
        let batch = self.store.execution(execution)?.batch;
        let unit = scoring_unit(execution, scores, |body| {
            self.event(batch.as_ref(), Some(execution), body)
        });
        self.store.commit(unit)?;
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
        let mut active = self.all_active().into_iter();
        active.find(|known| known.id() == Some(batch) && known.is_under_way())
    }

    /// Ends the session: leaves active batches to a later one, and closes the store. What workers
    /// still deliver is refused. Does nothing when the engine is closed already.
    pub fn close(&self) -> Result<(), EngineError> {
        if self.check_process().is_err() {
            return Ok(()); // The threads and connections belong to the process we forked from.
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else {
            return Ok(());
        };
        let active = self.lock_active().take().unwrap_or_default();
        self.pacemaker.stop();
        drop(thread.join());
        // Whatever fails, the rest is closed as well; the first error is the one to tell.
        let mut closed = Ok(());
        for batch in active.iter().filter_map(Weak::upgrade) {
            closed = closed.and(batch.abandon());
        }
        let change = Change::CloseSession { session: self.session.clone(), at: Clock::now() };
        closed =
            closed.and(self.store.commit(UnitOfWork::silent(change)).map(drop).map_err(Into::into));
        session::closed(&self.session);
        #[cfg(unix)]
        self.files.close();
        closed.and(self.store.close().map_err(Into::into))
    }

    fn take_up(
        &self,
        batch: &BatchId,
        work: impl FnOnce() -> Result<UnitOfWork, EngineError>,
    ) -> Result<Arc<ActiveBatch>, EngineError> {
        self.check_open()?;
        let _one_at_a_time = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        if self.active(batch).is_some() {
            return Err(EngineError::Busy {
                batch: batch.clone(),
                owner: "this program; wait for the batch to end".to_owned(),
            });
        }
        let claim = Claim { store: self.store.as_ref(), session: &self.session, batch };
        claim.take(Clock::now(), work()?)?;
        self.activate(claim.load()?)
    }

    fn activate(&self, taken: Taken) -> Result<Arc<ActiveBatch>, EngineError> {
        let Taken { batch, spec, setup, first_token, resumed } = taken;
        let config = settings::scheduler_config(&spec, first_token);
        let active = self.enter(ActiveBatch::new(self.context(), Some(batch), config, setup)?)?;
        active.begin(&spec.runner, spec.max_workers, resumed)?;
        self.pacemaker.watch(&active);
        Ok(active)
    }

    /// Enters a batch among those that closing the engine leaves to a later session.
    pub(crate) fn enter(&self, active: ActiveBatch) -> Result<Arc<ActiveBatch>, EngineError> {
        let mut known = self.lock_active();
        let known = known.as_mut().ok_or(EngineError::Closed)?;
        let active = Arc::new(active);
        known.retain(|batch| batch.strong_count() > 0);
        known.push(Arc::downgrade(&active));
        Ok(active)
    }

    pub(crate) fn requeue(
        &self,
        batch: Option<&BatchId>,
        execution: &ExecutionId,
        beginning: Beginning,
    ) -> (Change, Event) {
        let from_head = beginning == Beginning::Head;
        let change = Change::RequeueExecution { execution: execution.clone(), from_head };
        let body = EventBody::ExecutionRequeued { reason: "it is retried".to_owned() };
        (change, self.event(batch, Some(execution), body))
    }

    pub(crate) fn check_open(&self) -> Result<(), EngineError> {
        self.check_process()?;
        if self.lock_active().is_none() { Err(EngineError::Closed) } else { Ok(()) }
    }

    fn lock_active(&self) -> MutexGuard<'_, Option<Vec<Weak<ActiveBatch>>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all_active(&self) -> Vec<Arc<ActiveBatch>> {
        self.lock_active().iter().flatten().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            session: self.session.clone(),
            store: Arc::clone(&self.store),
            address: Arc::clone(&self.address),
            clock: self.clock,
            pacemaker: Arc::downgrade(&self.pacemaker),
            process: self.process,
            #[cfg(unix)]
            files: Arc::clone(&self.files),
        }
    }

    pub(crate) fn event(
        &self,
        batch: Option<&BatchId>,
        execution: Option<&ExecutionId>,
        body: EventBody,
    ) -> Event {
        Event {
            at: Clock::now(),
            session: self.session.clone(),
            batch: batch.cloned(),
            execution: execution.map(ExecutionId::known),
            body,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.check_process().is_err() {
            // Its writer's thread is not in this process: the store must not wait for it here.
            std::mem::forget(Arc::clone(&self.store));
            return;
        }
        // Errors at the very end have nobody left to hear them; `close` reports them.
        drop(self.close());
    }
}
