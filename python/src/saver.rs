//! The handle behind `WtbSaver`: checkpoints of one store, for any LangGraph program.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use serde_json::Value as Json;
use wtb_engine::EngineError;
use wtb_model::Value;
use wtb_store::{
    Change, CheckpointFilter, CheckpointName, Lease, NEW_INLINE_BYTES_MAX, NewChannel,
    NewCheckpoint, NewValue, NewWrite, NewWrites, Slot, Store, StoreError, Ticket, UnitOfWork,
};

use crate::checkpoint_rows::{Row, StepRow, Taken, TakenWrite, row, step_row, taken, taken_write};
use crate::errors::{Result, invalid};
use crate::payload::Payload;

/// Writes of up to so many bytes are queued without letting go of the GIL.
const QUICK_BYTES_MAX: usize = 16 * 1024;

/// `(name, version, value)`; without a value, the parent's.
type GivenChannel = (String, String, Option<Payload>);
/// The same, with the bytes as Rust shares them.
type Channel = (String, String, Option<Value>);
/// `(position, channel, value)`.
type GivenWrite = (i64, String, Payload);

/// Checkpoints of an open store. May be used by several threads; does not survive a fork.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct CheckpointsRef {
    store: Arc<dyn Store>,
    process: u32,
    lease: Option<Lease>,
    /// Units that were submitted without waiting, so that their failure is told later.
    submitted: Mutex<Vec<Ticket>>,
}

impl CheckpointsRef {
    pub(crate) fn new(store: Arc<dyn Store>, lease: Option<Lease>) -> Self {
        Self { store, process: std::process::id(), lease, submitted: Mutex::default() }
    }

    fn store(&self) -> Result<&Arc<dyn Store>> {
        let here = std::process::id();
        if here == self.process {
            return Ok(&self.store);
        }
        Err(EngineError::Forked { opened_in: self.process, used_in: here }.into())
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Store) -> std::result::Result<T, StoreError> + Send,
    ) -> Result<T> {
        let store = self.store()?;
        Ok(py.detach(|| work(store.as_ref()))?)
    }

    /// Says what became of the units that nobody waited for, as far as that is known.
    fn check_submitted(&self) -> std::result::Result<(), StoreError> {
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failure = None;
        submitted.retain(|ticket| match ticket.poll() {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => {
                failure.get_or_insert(error);
                false
            }
        });
        drop(submitted);
        failure.map_or(Ok(()), Err)
    }
}

#[pymethods]
impl CheckpointsRef {
    #[staticmethod]
    fn open(py: Python<'_>, url: &str) -> Result<Self> {
        let store = py.detach(|| wtb_engine::open_store(url, true))?;
        Ok(Self::new(store, None))
    }

    #[getter]
    fn url(&self) -> &str {
        self.store.url()
    }

    fn close(&self, py: Python<'_>) -> Result<()> {
        if std::process::id() == self.process {
            py.detach(|| self.store.close())?;
        }
        Ok(())
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
        let name = CheckpointName { thread, namespace, id };
        let body = NewValue::new(body.0, NEW_INLINE_BYTES_MAX);
        let channels: Vec<Channel> = channels
            .into_iter()
            .map(|(name, version, given)| (name, version, given.map(|given| given.0)))
            .collect();
        let missing = self.with(py, |store| {
            self.check_submitted()?;
            let commit = |how: Packing| {
                let checkpoint = Box::new(NewCheckpoint {
                    channels: pack_channels(store, &name, &channels, how),
                    body: body.clone(),
                    name: name.clone(),
                    parent: parent.clone(),
                    run: run.clone(),
                    metadata: metadata.clone(),
                });
                let lease = self.lease.clone();
                store.commit(UnitOfWork::silent(Change::PutCheckpoint { checkpoint, lease }))
            };
            let mut stored = commit(Packing::Differences);
            if stored.is_err() {
                store.forget_packed();
            }
            // What a value differs from may be another thread's, which is not written yet.
            if matches!(stored, Err(StoreError::NotFound { .. })) {
                stored = commit(Packing::Whole);
            }
            self.check_submitted()?;
            match stored {
                Ok(_) => Ok(Vec::new()),
                Err(StoreError::MissingChannels { channels, .. }) => Ok(channels),
                Err(error) => Err(error),
            }
        })?;
        Ok(missing)
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
        let checkpoint = CheckpointName { thread, namespace, id };
        let lease = self.lease.clone();
        let new = |(position, channel, given): GivenWrite| {
            let value = NewValue::new(given.0, NEW_INLINE_BYTES_MAX);
            NewWrite { position, channel, value }
        };
        let weight: usize = writes.iter().map(|(_, _, given)| given.0.bytes.len()).sum();
        let writes = writes.into_iter().map(new).collect();
        let work = |store: &dyn Store| {
            self.check_submitted()?;
            let writes = Box::new(NewWrites { checkpoint, task, path, writes, replace });
            let ticket = store.submit(UnitOfWork::silent(Change::PutWrites { writes, lease }))?;
            self.submitted.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
            Ok(())
        };
        let store = self.store()?;
        if weight > QUICK_BYTES_MAX || store.is_full() {
            return self.with(py, work);
        }
        // To let go of the GIL and to get it back takes longer than this.
        Ok(work(store.as_ref())?)
    }

    fn get(
        &self,
        py: Python<'_>,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<Row>> {
        let found = self.with(py, |store| {
            let found = store.checkpoint(thread, namespace, id)?;
            self.check_submitted()?;
            Ok(found)
        })?;
        found.map(|record| row(py, record)).transpose()
    }

    /// Returns the checkpoint that was inserted last.
    fn head(&self, py: Python<'_>, thread: &str, namespace: &str) -> Result<Option<Row>> {
        let found = self.with(py, |store| {
            let found = store.head(thread, namespace)?;
            self.check_submitted()?;
            Ok(found)
        })?;
        found.map(|record| row(py, record)).transpose()
    }

    /// Lists the steps of a thread, in all namespaces, in the order of their insertion.
    fn steps(&self, py: Python<'_>, thread: &str) -> Result<Vec<StepRow>> {
        let steps = self.with(py, |store| store.steps(thread))?;
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
        let found = self.with(py, |store| store.checkpoints(&filter, limit))?;
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
        let found = self.with(py, |store| store.channel_history(&name, &channels))?;
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
        self.with(py, |store| store.commit(UnitOfWork::silent(change)).map(drop))
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
        self.with(py, |store| store.collect().map(drop))
    }

    /// Removes what nothing names any more; returns how many objects and bytes that was.
    fn collect(&self, py: Python<'_>) -> Result<(u64, u64)> {
        let collected = self.with(py, |store| store.collect())?;
        Ok((collected.objects, collected.bytes))
    }
}

impl CheckpointsRef {
    fn remove(&self, py: Python<'_>, changes: Vec<Change>) -> Result<()> {
        self.with(py, |store| {
            store.forget_packed();
            store.commit(UnitOfWork { changes, events: Vec::new() })?;
            store.collect_if_due()
        })
    }
}

/// How values are prepared for storing.
#[derive(Clone, Copy)]
enum Packing {
    /// As differences to the last ones of their channels, where that is smaller.
    Differences,
    /// Each on its own.
    Whole,
}

fn pack_channels(
    store: &dyn Store,
    name: &CheckpointName,
    channels: &[Channel],
    how: Packing,
) -> Vec<NewChannel> {
    let mut slot = Slot {
        thread: name.thread.clone(),
        namespace: name.namespace.clone(),
        channel: String::new(),
    };
    let mut pack = |(name, version, value): &Channel| {
        slot.channel.clone_from(name);
        let value = value.clone().map(|value| match how {
            Packing::Differences => store.pack(&slot, value),
            Packing::Whole => NewValue::new(value, NEW_INLINE_BYTES_MAX),
        });
        NewChannel { name: name.clone(), version: version.clone(), value }
    };
    channels.iter().map(&mut pack).collect()
}
