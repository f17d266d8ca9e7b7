//! Checkpoints: what savers write and read. The words are LangGraph's; the meaning of the bodies is
//! Python's.
//!
//! A lineage is one LangGraph thread. Within a thread, each namespace (`""`, or that of a subgraph)
//! has its own checkpoints, which name their parents. A checkpoint holds its channels' values by
//! their content, so that what did not change costs a reference.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use wtb_model::{ExecutionId, StoredValue, Value};

use crate::StoreError;
use crate::object::{NewObject, NewValue};
use crate::recent::Slot;

/// Names a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckpointName {
    /// The thread.
    pub thread: String,
    /// The namespace: empty for the graph itself.
    pub namespace: String,
    /// The checkpoint's id, which is unique within thread and namespace.
    pub id: String,
}

/// The lease under which a worker writes: what it writes is refused once another one is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The execution.
    pub execution: ExecutionId,
    /// The fencing token of its attempt.
    pub token: u64,
}

/// A channel of a new checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// Its name.
    pub name: String,
    /// Its version, as text.
    pub version: String,
    /// Its value; `None` takes the parent's, which must have the same version.
    pub value: Option<NewValue>,
}

/// A checkpoint to be stored; one of the same name is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckpoint {
    /// Its name.
    pub name: CheckpointName,
    /// Its parent's id, in the same thread and namespace.
    pub parent: Option<String>,
    /// The run that made it, if it is known.
    pub run: Option<String>,
    /// Its metadata: a JSON object.
    pub metadata: String,
    /// The checkpoint without its channels' values, serialised.
    pub body: NewValue,
    /// Its channels that have a value.
    pub channels: Vec<NewChannel>,
    /// The snapshot of the workspace that belongs to it; its object is there already.
    pub snapshot: Option<StoredValue>,
}

impl NewCheckpoint {
    /// Returns the objects that it brings along.
    pub fn objects(&self) -> impl Iterator<Item = &NewObject> {
        let channels = self.channels.iter().filter_map(|channel| channel.value.as_ref());
        channels.chain([&self.body]).filter_map(|value| value.object.as_ref())
    }

    /// The same, to be changed.
    pub(crate) fn objects_mut(&mut self) -> impl Iterator<Item = &mut NewObject> {
        let channels = self.channels.iter_mut().filter_map(|channel| channel.value.as_mut());
        channels.chain([&mut self.body]).filter_map(|value| value.object.as_mut())
    }
}

/// One of a task's writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWrite {
    /// Its place among the task's writes; negative for special channels.
    pub position: i64,
    /// The channel.
    pub channel: String,
    /// The value.
    pub value: NewValue,
}

/// The writes of one task, to be stored with a checkpoint that may not be there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWrites {
    /// The checkpoint whose next step the task belongs to.
    pub checkpoint: CheckpointName,
    /// The task's id.
    pub task: String,
    /// The task's path, by which writes of one step are ordered.
    pub path: String,
    /// The writes.
    pub writes: Vec<NewWrite>,
    /// Whether they replace earlier ones in the same places; otherwise the first ones stay.
    pub replace: bool,
}

impl NewWrites {
    /// Returns the objects that they bring along.
    pub fn objects(&self) -> impl Iterator<Item = &NewObject> {
        self.writes.iter().filter_map(|write| write.value.object.as_ref())
    }

    /// The same, to be changed.
    pub(crate) fn objects_mut(&mut self) -> impl Iterator<Item = &mut NewObject> {
        self.writes.iter_mut().filter_map(|write| write.value.object.as_mut())
    }
}

/// A stored write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWrite {
    /// The task's id.
    pub task: String,
    /// The channel.
    pub channel: String,
    /// The value.
    pub value: Value,
}

/// A stored checkpoint with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Its name.
    pub name: CheckpointName,
    /// Its place in the order of insertion.
    pub sequence: u64,
    /// Its parent's id.
    pub parent: Option<String>,
    /// Its metadata: a JSON object.
    pub metadata: String,
    /// The checkpoint without its channels' values.
    pub body: Value,
    /// Its channels' values.
    pub channels: Vec<(String, Value)>,
    /// The snapshot of the workspace that belongs to it. Workers are not told: their files are theirs.
    #[serde(skip)]
    pub snapshot: Option<StoredValue>,
    /// The writes stored with it, ordered by task path, task and position.
    pub writes: Vec<PendingWrite>,
}

/// A stored checkpoint without values: enough to draw a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointOutline {
    /// Its name.
    pub name: CheckpointName,
    /// Its place in the order of insertion.
    pub sequence: u64,
    /// Its parent's id.
    pub parent: Option<String>,
    /// Its metadata: a JSON object.
    pub metadata: String,
    /// Its channels with where their values rest: equal values rest in equal places.
    pub channels: Vec<(String, StoredValue)>,
    /// The snapshot of the workspace that belongs to it. Workers are not told: their files are theirs.
    #[serde(skip)]
    pub snapshot: Option<StoredValue>,
}

/// What a task wrote, without the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteOutline {
    /// The task's id.
    pub task: String,
    /// The task's path.
    pub path: String,
    /// The channel.
    pub channel: String,
}

/// A stored checkpoint as a step of its thread: what it takes to tell what ran and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStep {
    /// The checkpoint.
    pub outline: CheckpointOutline,
    /// The checkpoint without its channels' values, serialised.
    pub body: Value,
    /// The writes stored with it, ordered by task path, task and position.
    pub writes: Vec<WriteOutline>,
}

/// Which checkpoints to list. Every condition that is set must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CheckpointFilter {
    /// Of this thread.
    pub thread: Option<String>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// With this id.
    pub id: Option<String>,
    /// Whose id is smaller than this.
    pub before: Option<String>,
    /// Whose metadata has these entries; see [`crate::metadata_fits`].
    pub metadata: Vec<(String, Json)>,
    /// Go on behind the checkpoint with this id and sequence number.
    pub after: Option<(String, u64)>,
}

/// What one channel's history holds: see LangGraph's `get_delta_channel_history`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelHistory {
    /// The value at the nearest ancestor that has one.
    pub seed: Option<Value>,
    /// What was written to the channel since, oldest first.
    pub writes: Vec<PendingWrite>,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// How many objects.
    pub objects: u64,
    /// How many bytes they had on disk; of those in files it is the bytes of the values.
    pub bytes: u64,
}

/// Where checkpoints are read. They are written by units of work.
///
/// Reading sees everything that was submitted before by this store.
pub trait Checkpoints: Send + Sync {
    /// Prepares a channel's value for storing: as a difference to the last one of its slot that was
    /// prepared or read here, where that is smaller.
    fn pack(&self, slot: &Slot, value: Value) -> NewValue;

    /// Forgets the last values, so that the next ones are stored whole. To be called after a unit
    /// was refused, as what they differ from may not be there.
    fn forget_packed(&self);

    /// Returns the checkpoint of that id; without one, that with the greatest id.
    fn checkpoint(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Returns the checkpoint that was inserted last, whatever its id: ids come from clocks.
    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Lists checkpoints by descending id (those of equal ids by descending age), at most `limit`.
    fn checkpoints(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError>;

    /// Lists the checkpoints of a thread in the order of their insertion, without values.
    fn outline(&self, thread: &str) -> Result<Vec<CheckpointOutline>, StoreError>;

    /// Lists the steps of a thread, in all namespaces, in the order of their insertion.
    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError>;

    /// Returns, for each channel, what its ancestors wrote, as far back as it takes to rebuild it.
    /// What is stored with the named checkpoint itself does not count.
    fn channel_history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError>;

    /// Removes objects that nothing names any more. Safe beside other writers.
    fn collect(&self) -> Result<Collected, StoreError>;

    /// Collects, if so much has been deleted that it is worth its while.
    fn collect_if_due(&self) -> Result<(), StoreError>;
}

/// Returns the sequence numbers of the checkpoints that remain of a thread when it is pruned.
///
/// Of each namespace that is the newest. A channel stored as differences (LangGraph names them in
/// the metadata's `counters_since_delta_snapshot`) is rebuilt from what was written since its last
/// value: the ancestors up to that one remain as well.
pub fn kept(outlines: &[CheckpointOutline]) -> HashSet<u64> {
    let by_name: HashMap<(&str, &str), &CheckpointOutline> = outlines
        .iter()
        .map(|one| ((one.name.namespace.as_str(), one.name.id.as_str()), one))
        .collect();
    let mut newest: HashMap<&str, &CheckpointOutline> = HashMap::new();
    for one in outlines {
        let known = newest.entry(&one.name.namespace).or_insert(one);
        if one.name.id > known.name.id {
            *known = one;
        }
    }
    let mut kept = HashSet::new();
    for one in newest.into_values() {
        let mut open = one.channels_of_differences();
        let mut next = Some(one);
        let mut passed = HashSet::new();
        // Parents may be a circle: nothing but their savers' good sense prevents it.
        while let Some(current) = next.filter(|current| passed.insert(current.sequence)) {
            kept.insert(current.sequence);
            open.retain(|channel| !current.channels.iter().any(|(name, _)| name == channel));
            let parent = current.parent.as_deref().filter(|_| !open.is_empty());
            next =
                parent.and_then(|id| by_name.get(&(current.name.namespace.as_str(), id)).copied());
        }
    }
    kept
}

impl CheckpointOutline {
    fn channels_of_differences(&self) -> HashSet<String> {
        let metadata: Json = serde_json::from_str(&self.metadata).unwrap_or_default();
        let counters = metadata.get("counters_since_delta_snapshot").and_then(Json::as_object);
        counters.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}
