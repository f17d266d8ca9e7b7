//! How a group is prepared for the quick way (see `quick`): all that one call writes, from what is
//! known without asking.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use wtb_model::StoredValue;
use wtb_store::codec::{encode_pieces, encode_value};
use wtb_store::writer::Job;
use wtb_store::{
    Change, CheckpointName, Content, Encoding, Hash, Lease, NewCheckpoint, NewObject, NewValue,
    NewWrites, Piece, UnitOfWork,
};

use super::checkpoint_rows::{encoded, stamp};
use super::checkpoints::{inherit, settled};
use super::objects::each_object;
use super::parents::Channels;
use super::quick::{Memory, Quick};
use crate::bulk::Arrays;
use crate::bulk::Kind::{Bool, Bytes, Int, Text};
use crate::sql::{Value, saturated};

/// A group under preparation.
pub(super) struct Plan<'group, 'memory> {
    memory: &'memory mut Memory,
    lineages: HashMap<(&'group str, &'group str), i64>,
    threads: [Vec<&'group str>; 2],
    /// New objects by their hashes: the key, and the row.
    objects: BTreeMap<Hash, (i64, [Value; 3])>,
    parents: BTreeMap<(i64, &'group str), i64>,
    leases: BTreeSet<(&'group str, i64)>,
    checkpoints: Arrays<8>,
    writes: Arrays<8>,
    puts: Vec<(&'group CheckpointName, i64, Channels)>,
    /// The places of `puts`, and those of writes.
    put_at: HashMap<(i64, &'group str), usize>,
    written: HashSet<(i64, &'group str, &'group str, i64)>,
}

impl<'group, 'memory> Plan<'group, 'memory> {
    /// Begins with nothing.
    pub(super) fn new(memory: &'memory mut Memory) -> Self {
        Self {
            memory,
            lineages: HashMap::new(),
            threads: [Vec::new(), Vec::new()],
            objects: BTreeMap::new(),
            parents: BTreeMap::new(),
            leases: BTreeSet::new(),
            checkpoints: Arrays::new([Int, Text, Text, Text, Int, Text, Bytes, Bytes]),
            writes: Arrays::new([Int, Text, Text, Int, Text, Text, Bytes, Bool]),
            puts: Vec::new(),
            put_at: HashMap::new(),
            written: HashSet::new(),
        }
    }

    /// Adds the jobs; `None` where they cannot be prepared.
    pub(super) fn add_all(&mut self, jobs: &'group [Job]) -> Option<()> {
        let mut complete = Some(());
        each_object(jobs, &mut |object, _| {
            if complete.is_some() {
                complete = self.object(object);
            }
        });
        complete?;
        for job in jobs {
            if let Job::Unit(UnitOfWork { changes, .. }, _) = job {
                changes.iter().try_for_each(|change| self.change(change))?;
            }
        }
        Some(())
    }

    fn change(&mut self, change: &'group Change) -> Option<()> {
        match change {
            Change::PutCheckpoint { checkpoint, lease } => {
                self.lease(lease.as_ref())?;
                self.checkpoint(checkpoint)
            }
            Change::PutWrites { writes, lease } => {
                self.lease(lease.as_ref())?;
                self.put_writes(writes)
            }
            _ => None,
        }
    }

    fn lease(&mut self, lease: Option<&'group Lease>) -> Option<()> {
        if let Some(Lease { execution, token }) = lease {
            self.leases.insert((execution.as_str(), i64::try_from(*token).ok()?));
        }
        Some(())
    }

    fn checkpoint(&mut self, checkpoint: &'group NewCheckpoint) -> Option<()> {
        let name = &checkpoint.name;
        let lineage = self.lineage(name);
        let mut inherited = self.inherited(lineage, checkpoint)?.into_iter();
        self.named(&checkpoint.body.stored)?;
        checkpoint.snapshot.as_ref().map_or(Some(()), |snapshot| self.named(snapshot))?;
        let mut channels = Vec::with_capacity(checkpoint.channels.len());
        for channel in &checkpoint.channels {
            let value = if let Some(value) = &channel.value {
                self.named(&value.stored)?;
                value.stored.clone()
            } else {
                let NewValue { stored, object } = settled(inherited.next()?);
                object.iter().try_for_each(|object| self.object(object))?;
                stored
            };
            channels.push((channel.name.clone(), channel.version.clone(), value));
        }
        let (channels, stamp) = (Arc::new(channels), stamp().ok()?);
        if self.put_at.insert((lineage, &name.id), self.puts.len()).is_some() {
            return None;
        }
        self.checkpoints.push([
            lineage.into(),
            Value::text(&name.id),
            Value::optional_text(checkpoint.parent.as_deref()),
            Value::optional_text(checkpoint.run.as_deref()),
            stamp.into(),
            Value::text(&checkpoint.metadata),
            Value::Bytes(Some(encode_value(&checkpoint.body.stored))),
            Value::Bytes(Some(encoded(&channels, checkpoint.snapshot.as_ref()))),
        ])?;
        self.puts.push((name, stamp, channels));
        Some(())
    }

    /// Returns what a checkpoint takes from its parent: one of the group, or one that is known.
    fn inherited(
        &mut self,
        lineage: i64,
        checkpoint: &'group NewCheckpoint,
    ) -> Option<Vec<StoredValue>> {
        if checkpoint.channels.iter().all(|channel| channel.value.is_some()) {
            return Some(Vec::new());
        }
        let parent = checkpoint.parent.as_deref()?;
        if let Some(at) = self.put_at.get(&(lineage, parent)) {
            return inherit(checkpoint, self.puts.get(*at)?.2.as_slice()).ok();
        }
        let known = self.memory.parents.find(&checkpoint.name, parent)?;
        self.parents.insert((lineage, parent), known.stamp);
        inherit(checkpoint, &known.channels).ok()
    }

    fn put_writes(&mut self, writes: &'group NewWrites) -> Option<()> {
        let NewWrites { checkpoint, task, path, writes, replace } = writes;
        let lineage = self.lineage(checkpoint);
        for write in writes {
            self.named(&write.value.stored)?;
            if !self.written.insert((lineage, &checkpoint.id, task, write.position)) {
                return None;
            }
            self.writes.push([
                lineage.into(),
                Value::text(&checkpoint.id),
                Value::text(task),
                write.position.into(),
                Value::text(path),
                Value::text(&write.channel),
                Value::Bytes(Some(encode_value(&write.value.stored))),
                (*replace).into(),
            ])?;
        }
        Some(())
    }

    /// The place of a thread's namespace among those of the group, from 1.
    fn lineage(&mut self, name: &'group CheckpointName) -> i64 {
        let next = saturated(self.lineages.len() as u64 + 1);
        let CheckpointName { thread, namespace, .. } = name;
        *self.lineages.entry((thread, namespace)).or_insert_with(|| {
            self.threads[0].push(thread);
            self.threads[1].push(namespace);
            next
        })
    }

    /// Whether the object that a value names is there, or will be.
    fn named(&mut self, value: &StoredValue) -> Option<()> {
        match value {
            StoredValue::Inline { .. } => Some(()),
            StoredValue::Object { hash, .. } => self.key(hash).map(drop),
        }
    }

    fn key(&mut self, hash: &Hash) -> Option<i64> {
        let new = self.objects.get(hash).map(|(key, _)| *key);
        new.or_else(|| self.memory.stored.get(hash))
    }

    fn object(&mut self, object: &NewObject) -> Option<()> {
        if self.key(&object.hash).is_some() {
            return Some(());
        }
        let (encoding, data) = match &object.content {
            Content::Whole(encoded) => (encoded.encoding, encoded.data.to_vec()),
            Content::Rope { pieces, .. } => (Encoding::Rope, self.rope(pieces)?),
            // The long way looks for what it names.
            Content::Node(_) => return None,
        };
        let size = saturated(object.size).into();
        let row = [i64::from(encoding as u8).into(), size, Value::Bytes(Some(data))];
        let key = self.memory.keys.pop()?;
        self.objects.insert(object.hash, (key, row));
        Some(())
    }

    fn rope(&mut self, pieces: &[Piece]) -> Option<Vec<u8>> {
        let keyed = pieces.iter().map(|piece| {
            Some((self.key(&piece.object)?, piece.offset as u64, piece.length as u64))
        });
        Some(encode_pieces(&keyed.collect::<Option<Vec<_>>>()?))
    }

    /// The parameters behind the first ones, and what is to be remembered.
    pub(super) fn finish(self) -> Quick<'group> {
        let mut objects = Arrays::new([Bytes, Int, Int, Int, Bytes]);
        let mut keys = Vec::with_capacity(self.objects.len());
        for (hash, (key, [encoding, size, data])) in self.objects {
            // The types are those of the columns.
            let _ =
                objects.push([Value::Bytes(Some(hash.to_vec())), key.into(), encoding, size, data]);
            keys.push((hash, key));
        }
        let mut parameters = Vec::with_capacity(28);
        parameters.extend(objects.into_values());
        parameters.extend(self.threads.map(Value::texts));
        parameters.push(Value::ints(self.parents.keys().map(|(lineage, _)| *lineage)));
        parameters.push(Value::texts(self.parents.keys().map(|(_, id)| *id)));
        parameters.push(Value::ints(self.parents.values().copied()));
        parameters.push(Value::texts(self.leases.iter().map(|(id, _)| *id)));
        parameters.push(Value::ints(self.leases.iter().map(|(_, token)| *token)));
        parameters.extend(self.checkpoints.into_values());
        parameters.extend(self.writes.into_values());
        Quick { parameters, objects: keys, puts: self.puts }
    }
}
