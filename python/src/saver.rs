//! The handle behind `WtbSaver`: checkpoints of one store, for any LangGraph program.

use std::sync::Arc;

use pyo3::prelude::*;
use serde_json::Value as Json;
use wtb_engine::EngineError;
use wtb_store::{Change, CheckpointFilter, CheckpointName, Lease, Store, StoreError, UnitOfWork};
use wtb_worker::{Checkpointer, Direct, Files, GivenCheckpoint, GivenWrites};

use crate::checkpoint_rows::{Row, StepRow, Taken, TakenWrite, row, step_row, taken, taken_write};
use crate::errors::{Result, invalid};
use crate::payload::Payload;

/// Writes of up to so many bytes are queued without letting go of the GIL.
const QUICK_BYTES_MAX: usize = 16 * 1024;

/// `(name, version, value)`; without a value, the parent's.
type GivenChannel = (String, String, Option<Payload>);
/// `(position, channel, value)`.
type GivenWrite = (i64, String, Payload);

/// Checkpoints: of an open store, or in a worker's process those of its supervisor. May be used by
/// several threads; does not survive a fork.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct CheckpointsRef {
    checkpoints: Arc<dyn Checkpointer>,
    /// The store, where it is open in this process.
    store: Option<Arc<dyn Store>>,
    process: u32,
}

impl CheckpointsRef {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        lease: Option<Lease>,
        files: Option<Arc<dyn Files>>,
    ) -> Self {
        let checkpoints = Arc::new(Direct::new(Arc::clone(&store), lease).with_files(files));
        Self { checkpoints, store: Some(store), process: std::process::id() }
    }

    /// Checkpoints of a worker's supervisor.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_worker(link: Arc<dyn Checkpointer>) -> Self {
        Self { checkpoints: link, store: None, process: std::process::id() }
    }

    fn check_process(&self) -> Result<()> {
        let here = std::process::id();
        if here == self.process {
            return Ok(());
        }
        Err(EngineError::Forked { opened_in: self.process, used_in: here }.into())
    }

    /// Does something that attempts do.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Checkpointer) -> std::result::Result<T, StoreError> + Send,
    ) -> Result<T> {
        self.check_process()?;
        Ok(py.detach(|| work(self.checkpoints.as_ref()))?)
    }

    /// Does something for which the store has to be open in this process.
    fn with_store<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Store) -> std::result::Result<T, StoreError> + Send,
    ) -> Result<T> {
        self.check_process()?;
        let Some(store) = &self.store else {
            let reason = "an attempt in a process of its own can put and read checkpoints, and not \
                          delete, copy or prune them";
            return Err(invalid(reason));
        };
        Ok(py.detach(|| work(store.as_ref()))?)
    }
}

#[pymethods]
impl CheckpointsRef {
    #[staticmethod]
    fn open(py: Python<'_>, url: &str) -> Result<Self> {
        let store = py.detach(|| wtb_engine::open_store(url, true))?;
        Ok(Self::new(store, None, None))
    }

    #[getter]
    fn url(&self) -> Option<&str> {
        self.store.as_ref().map(|store| store.url())
    }

    fn close(&self, py: Python<'_>) -> Result<()> {
        match &self.store {
            Some(store) if std::process::id() == self.process => Ok(py.detach(|| store.close())?),
            _ => Ok(()),
        }
    }

    /// Stores a checkpoint. Returns the channels whose values the parent does not have, if there are
    /// any: then nothing was stored.
    #[expect(clippy::too_many_arguments, reason = "one call carries a whole checkpoint")]
    fn put(
        &self,
        py: Python<'_>,
        thread: String,
        namespace: String,
        id: String,
        parent: Option<String>,
        run: Option<String>,
        metadata: String,
        body: Payload,
        channels: Vec<GivenChannel>,
    ) -> Result<Vec<String>> {
        let channels = channels
            .into_iter()
            .map(|(name, version, given)| (name, version, given.map(|given| given.0)))
            .collect();
        let name = CheckpointName { thread, namespace, id };
        let checkpoint = GivenCheckpoint { name, parent, run, metadata, body: body.0, channels };
        self.with(py, |checkpoints| checkpoints.put(checkpoint))
    }

    /// Stores what a task wrote, without waiting until it is durable: whatever is stored or read
    /// next comes after it.
    #[expect(clippy::too_many_arguments, reason = "one call carries all writes of a task")]
    fn put_writes(
        &self,
        py: Python<'_>,
        thread: String,
        namespace: String,
        id: String,
        task: String,
        path: String,
        writes: Vec<GivenWrite>,
        replace: bool,
    ) -> Result<()> {
        let writes =
            writes.into_iter().map(|(at, channel, given)| (at, channel, given.0)).collect();
        let checkpoint = CheckpointName { thread, namespace, id };
        let writes = GivenWrites { checkpoint, task, path, writes, replace };
        if writes.weight() > QUICK_BYTES_MAX || self.checkpoints.is_busy() {
            return self.with(py, |checkpoints| checkpoints.put_writes(writes));
        }
        self.check_process()?;
        // To let go of the GIL and to get it back takes longer than this.
        Ok(self.checkpoints.put_writes(writes)?)
    }

    fn get(
        &self,
        py: Python<'_>,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<Row>> {
        let found = self.with(py, |checkpoints| checkpoints.get(thread, namespace, id))?;
        found.map(|record| row(py, record)).transpose()
    }

    /// Returns the checkpoint that was inserted last.
    fn head(&self, py: Python<'_>, thread: &str, namespace: &str) -> Result<Option<Row>> {
        let found = self.with(py, |checkpoints| checkpoints.head(thread, namespace))?;
        found.map(|record| row(py, record)).transpose()
    }

    /// Lists the steps of a thread, in all namespaces, in the order of their insertion.
    fn steps(&self, py: Python<'_>, thread: &str) -> Result<Vec<StepRow>> {
        let steps = self.with(py, |checkpoints| checkpoints.steps(thread))?;
        steps.into_iter().map(|step| step_row(py, step)).collect()
    }

    /// Lists checkpoints by descending id. `metadata` is a JSON object of wanted entries, `after`
    /// the id and sequence number of the last one of the page before.
    #[expect(clippy::too_many_arguments, reason = "one argument for each way to filter")]
    fn list(
        &self,
        py: Python<'_>,
        thread: Option<String>,
        namespace: Option<String>,
        id: Option<String>,
        before: Option<String>,
        metadata: Option<&str>,
        after: Option<(String, u64)>,
        limit: u64,
    ) -> Result<Vec<Row>> {
        let metadata = match metadata.map(serde_json::from_str).transpose() {
            Ok(Some(Json::Object(entries))) => entries.into_iter().collect(),
            Ok(None) => Vec::new(),
            Ok(Some(other)) => return Err(invalid(format!("a filter is an object, not {other}"))),
            Err(error) => return Err(invalid(format!("a filter is JSON: {error}"))),
        };
        let filter = CheckpointFilter { thread, namespace, id, before, metadata, after };
        let found = self.with(py, |checkpoints| checkpoints.list(&filter, limit))?;
        found.into_iter().map(|record| row(py, record)).collect()
    }

    /// Returns `(seed, writes)` for each channel.
    fn channel_history(
        &self,
        py: Python<'_>,
        thread: String,
        namespace: String,
        id: Option<String>,
        channels: Vec<String>,
    ) -> Result<Vec<(Option<Taken>, Vec<TakenWrite>)>> {
        let name = CheckpointName { thread, namespace, id: id.unwrap_or_default() };
        let found = self.with(py, |checkpoints| checkpoints.history(&name, &channels))?;
        let history = |history: wtb_store::ChannelHistory| {
            let seed = history.seed.map(|value| taken(py, value));
            let writes = history.writes.into_iter().map(|write| taken_write(py, write)).collect();
            (seed, writes)
        };
        Ok(found.into_iter().map(history).collect())
    }

    fn delete_thread(&self, py: Python<'_>, thread: String) -> Result<()> {
        self.remove(py, vec![Change::DeleteThread { thread }])
    }

    fn delete_runs(&self, py: Python<'_>, runs: Vec<String>) -> Result<()> {
        self.remove(py, runs.into_iter().map(|run| Change::DeleteRun { run }).collect())
    }

    fn copy_thread(&self, py: Python<'_>, source: String, target: String) -> Result<()> {
        let change = Change::CopyThread { source, target, up_to: None };
        self.with_store(py, |store| store.commit(UnitOfWork::silent(change)).map(drop))
    }

    fn prune(&self, py: Python<'_>, threads: Vec<String>, keep_latest: bool) -> Result<()> {
        let change = |thread| {
            if keep_latest {
                Change::PruneThread { thread }
            } else {
                Change::DeleteThread { thread }
            }
        };
        let changes = threads.into_iter().map(change).collect();
        self.remove(py, changes)?;
        self.with_store(py, |store| store.collect().map(drop))
    }

    /// Removes what nothing names any more; returns how many objects and bytes that was.
    fn collect(&self, py: Python<'_>) -> Result<(u64, u64)> {
        let collected = self.with_store(py, |store| store.collect())?;
        Ok((collected.objects, collected.bytes))
    }
}

impl CheckpointsRef {
    fn remove(&self, py: Python<'_>, changes: Vec<Change>) -> Result<()> {
        self.with_store(py, |store| {
            store.forget_packed();
            store.commit(UnitOfWork { changes, events: Vec::new() })?;
            store.collect_if_due()
        })
    }
}
