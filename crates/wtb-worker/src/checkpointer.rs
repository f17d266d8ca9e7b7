//! Checkpoints as an attempt sees them: the same calls in the store's own process ([`Direct`]) and in a
//! worker, which asks its supervisor (see `link`).

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wtb_model::{StoredValue, Value};
use wtb_store::{
    Change, ChannelHistory, CheckpointFilter, CheckpointName, CheckpointRecord, CheckpointStep,
    Lease, NEW_INLINE_BYTES_MAX, NewChannel, NewCheckpoint, NewValue, NewWrite, NewWrites, Slot,
    Store, StoreError, Ticket, UnitOfWork,
};

/// A checkpoint to be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenCheckpoint {
    /// Its name.
    pub name: CheckpointName,
    /// Its parent's id, in the same thread and namespace.
    pub parent: Option<String>,
    /// The run that made it, if it is known.
    pub run: Option<String>,
    /// Its metadata: a JSON object.
    pub metadata: String,
    /// The checkpoint without its channels' values.
    pub body: Value,
    /// Its channels: name, version and value; without a value, the parent's.
    pub channels: Vec<(String, String, Option<Value>)>,
}

/// What a task wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenWrites {
    /// The checkpoint whose next step the task belongs to.
    pub checkpoint: CheckpointName,
    /// The task's id.
    pub task: String,
    /// The task's path.
    pub path: String,
    /// The writes: place among the task's writes, channel, value.
    pub writes: Vec<(i64, String, Value)>,
    /// Whether they replace earlier ones in the same places.
    pub replace: bool,
}

impl GivenWrites {
    /// How many bytes the values have.
    pub fn weight(&self) -> usize {
        self.writes.iter().map(|(_, _, value)| value.bytes.len()).sum()
    }
}

/// What an attempt does with checkpoints.
pub trait Checkpointer: Send + Sync {
    /// Stores a checkpoint and waits until it is durable. Returns the channels whose values the parent
    /// does not have, if there are any: then nothing was stored.
    fn put(&self, checkpoint: GivenCheckpoint) -> Result<Vec<String>, StoreError>;

    /// Stores what a task wrote, without waiting until it is durable: whatever is stored or read next
    /// comes after it, and tells of its failure.
    fn put_writes(&self, writes: GivenWrites) -> Result<(), StoreError>;

    /// Whether `put_writes` would have to wait now.
    fn is_busy(&self) -> bool;

    /// Returns the checkpoint of that id; without one, that with the greatest id.
    fn get(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Returns the checkpoint that was inserted last.
    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Lists checkpoints by descending id.
    fn list(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError>;

    /// Lists the steps of a thread, in all namespaces, in the order of their insertion.
    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError>;

    /// Returns, for each channel, what was written since it last had a value.
    fn history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError>;
}

/// The files of an attempt, as its checkpoints need them.
pub trait Files: Send + Sync {
    /// Takes a snapshot of them as they are now, and returns what names it. What it is made of is in
    /// the store's queue then, if it is not in the store.
    fn snapshot(&self) -> Result<StoredValue, StoreError>;

    /// Forgets what is in the store: the next snapshot is put as a whole.
    fn forget(&self);
}

/// Checkpoints of a store in this process.
pub struct Direct {
    store: Arc<dyn Store>,
    lease: Option<Lease>,
    files: Option<Arc<dyn Files>>,
    /// Units that were submitted without waiting, so that their failure is told later.
    submitted: Mutex<Vec<Ticket>>,
}

impl Direct {
    /// Checkpoints that are written under a lease, if there is one.
    pub fn new(store: Arc<dyn Store>, lease: Option<Lease>) -> Self {
        Self { store, lease, files: None, submitted: Mutex::default() }
    }

    /// Ties files to the checkpoints: each of the root namespace comes with a snapshot of them.
    #[must_use]
    pub fn with_files(self, files: Option<Arc<dyn Files>>) -> Self {
        Self { files, ..self }
    }

    fn snapshot(&self, name: &CheckpointName) -> Result<Option<StoredValue>, StoreError> {
        // Checkpoints of subgraphs lie within a step of the graph, where nobody goes back to alone.
        let files = self.files.as_ref().filter(|_| name.namespace.is_empty());
        files.map(|files| files.snapshot()).transpose()
    }

    /// Says what became of the units that nobody waited for, as far as that is known.
    fn check_submitted(&self) -> Result<(), StoreError> {
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

    fn read<T>(&self, found: Result<T, StoreError>) -> Result<T, StoreError> {
        let found = found?;
        self.check_submitted()?;
        Ok(found)
    }

    fn commit(&self, given: &GivenCheckpoint, how: Packing) -> Result<(), StoreError> {
        let checkpoint = Box::new(NewCheckpoint {
            channels: self.channels(given, how),
            body: NewValue::new(given.body.clone(), NEW_INLINE_BYTES_MAX),
            name: given.name.clone(),
            parent: given.parent.clone(),
            run: given.run.clone(),
            metadata: given.metadata.clone(),
            snapshot: self.snapshot(&given.name)?,
        });
        let change = Change::PutCheckpoint { checkpoint, lease: self.lease.clone() };
        self.store.commit(UnitOfWork::silent(change)).map(drop)
    }

    fn channels(&self, given: &GivenCheckpoint, how: Packing) -> Vec<NewChannel> {
        let mut slot = Slot {
            thread: given.name.thread.clone(),
            namespace: given.name.namespace.clone(),
            channel: String::new(),
        };
        let mut pack = |(name, version, value): &(String, String, Option<Value>)| {
            slot.channel.clone_from(name);
            let value = value.clone().map(|value| match how {
                Packing::Differences => self.store.pack(&slot, value),
                Packing::Whole => NewValue::new(value, NEW_INLINE_BYTES_MAX),
            });
            NewChannel { name: name.clone(), version: version.clone(), value }
        };
        given.channels.iter().map(&mut pack).collect()
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

impl Checkpointer for Direct {
    fn put(&self, checkpoint: GivenCheckpoint) -> Result<Vec<String>, StoreError> {
        self.check_submitted()?;
        let mut stored = self.commit(&checkpoint, Packing::Differences);
        if stored.is_err() {
            self.store.forget_packed();
        }
        // What a value differs from may be another thread's, which is not written yet; what a snapshot
        // has in common with earlier ones may have been collected.
        if matches!(stored, Err(StoreError::NotFound { .. })) {
            self.files.iter().for_each(|files| files.forget());
            stored = self.commit(&checkpoint, Packing::Whole);
        }
        self.check_submitted()?;
        match stored {
            Ok(()) => Ok(Vec::new()),
            Err(StoreError::MissingChannels { channels, .. }) => Ok(channels),
            Err(error) => Err(error),
        }
    }

    fn put_writes(&self, given: GivenWrites) -> Result<(), StoreError> {
        self.check_submitted()?;
        let GivenWrites { checkpoint, task, path, writes, replace } = given;
        let new = |(position, channel, value)| {
            let value = NewValue::new(value, NEW_INLINE_BYTES_MAX);
            NewWrite { position, channel, value }
        };
        let writes = writes.into_iter().map(new).collect();
        let writes = Box::new(NewWrites { checkpoint, task, path, writes, replace });
        let change = Change::PutWrites { writes, lease: self.lease.clone() };
        let ticket = self.store.submit(UnitOfWork::silent(change))?;
        self.submitted.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.store.is_full()
    }

    fn get(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        self.read(self.store.checkpoint(thread, namespace, id))
    }

    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        self.read(self.store.head(thread, namespace))
    }

    fn list(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.store.checkpoints(filter, limit)
    }

    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        self.store.steps(thread)
    }

    fn history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        self.store.channel_history(name, channels)
    }
}
