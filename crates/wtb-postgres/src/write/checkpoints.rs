//! Checkpoints and the writes of tasks, put. (What copies, prunes and deletes is in `threads`.)

use std::collections::BTreeMap;
use std::sync::Arc;

use wtb_model::{ExecutionStatus, StoredValue, Value};
use wtb_store::codec::Channel;
use wtb_store::{
    INLINE_BYTES_MAX, Lease, NewChannel, NewCheckpoint, NewObject, NewValue, NewWrites, StoreError,
};

use super::Group;
use super::checkpoint_rows::{
    Lineages, flush_checkpoints, flush_writes, load_lineages, load_parents, stamp,
};
use super::objects::put_whole;
use super::parents::{Channels, Parents};
use super::staged::{Added, Staged};
use super::wanted::Wanted;
use crate::connection::Connection;
use crate::errors::Failure;

/// A thread's namespace and the id of a checkpoint in it.
pub(super) type Name<'group> = (i64, &'group str);

/// A checkpoint as it is written.
#[derive(Debug, Clone)]
pub(super) struct Put<'group> {
    pub(super) checkpoint: &'group NewCheckpoint,
    pub(super) channels: Channels,
    /// A number that no other content of a checkpoint has.
    pub(super) stamp: i64,
    /// Its place in the order of insertion.
    pub(super) place: usize,
}

/// A task's write as it is written.
#[derive(Debug, Clone)]
pub(super) struct Written<'group> {
    pub(super) path: &'group str,
    pub(super) channel: &'group str,
    pub(super) value: &'group StoredValue,
    /// Whether it replaces one that is there.
    pub(super) replace: bool,
}

/// A checkpoint's name, a task and a place among its writes.
pub(super) type Place<'group> = (i64, &'group str, &'group str, i64);

/// The checkpoints and writes that a group puts, and the parents that they take values from.
#[derive(Debug, Default)]
pub(super) struct Checkpoints<'group> {
    lineages: Lineages,
    parents: BTreeMap<(i64, String), Channels>,
    puts: Staged<Name<'group>, Put<'group>>,
    writes: Staged<Place<'group>, Written<'group>>,
    /// Objects of values that stay.
    settled: Added<NewObject>,
    next: usize,
}

impl<'group> Checkpoints<'group> {
    /// The lock of each thread is held.
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'group>,
    ) -> Result<Self, Failure> {
        let lineages = load_lineages(connection, &wanted.lineages)?;
        let parents = wanted.parents.iter().filter_map(|(thread, namespace, id)| {
            Some((*lineages.get(*thread)?.get(*namespace)?, *id))
        });
        let parents = load_parents(connection, &parents.collect())?;
        Ok(Self { lineages, parents, ..Self::default() })
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept {
            self.puts.keep();
            self.writes.keep();
            self.settled.keep();
        } else {
            self.puts.undo();
            self.writes.undo();
            self.settled.undo();
        }
    }

    /// Writes the objects of values that stay.
    pub(super) fn flush_objects(
        &self,
        connection: &mut Connection,
        stored: &mut wtb_store::writer::Stored,
    ) -> Result<(), Failure> {
        put_whole(connection, self.settled.iter(), stored)
    }

    pub(super) fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        flush_checkpoints(connection, self.puts.iter())?;
        flush_writes(connection, &self.writes.iter())
    }

    /// Has the checkpoints remembered, as what others will take values from.
    pub(super) fn remember(&self, parents: &mut Parents) {
        let mut puts: Vec<_> = self.puts.iter().map(|(_, put)| put).collect();
        puts.sort_unstable_by_key(|put| put.place);
        for Put { checkpoint, channels, stamp, .. } in puts {
            parents.remember(&checkpoint.name, *stamp, Arc::clone(channels));
        }
    }

    fn lineage(&self, thread: &str, namespace: &str) -> Result<i64, StoreError> {
        // All that are wanted were loaded or made.
        let namespaces = self.lineages.get(thread);
        namespaces.and_then(|keys| keys.get(namespace)).copied().ok_or_else(|| {
            StoreError::Backend {
                doing: "looking a thread up".to_owned(),
                reason: format!("thread `{thread}` was not opened"),
            }
        })
    }

    /// Returns the channels of a checkpoint's parent, as the units before have left it.
    fn parents_channels(&self, lineage: i64, parent: Option<&'group str>) -> Option<&Channels> {
        let parent = parent?;
        let put = self.puts.get(&(lineage, parent)).map(|put| &put.channels);
        put.or_else(|| self.parents.get(&(lineage, parent.to_owned())))
    }
}

impl<'group> Group<'group> {
    pub(super) fn put_checkpoint(
        &mut self,
        checkpoint: &'group NewCheckpoint,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let name = &checkpoint.name;
        self.check_lease(lease, || format!("checkpoint {}", name.id))?;
        let lineage = self.checkpoints.lineage(&name.thread, &name.namespace)?;
        let parent = self.checkpoints.parents_channels(lineage, checkpoint.parent.as_deref());
        let inherited = inherit(checkpoint, parent.map_or(&[], |channels| channels.as_slice()))?;
        self.objects.check([Some(&checkpoint.body.stored), checkpoint.snapshot.as_ref()])?;
        let given = checkpoint.channels.iter().filter_map(|channel| channel.value.as_ref());
        self.objects.check(given.map(|value| Some(&value.stored)))?;
        let mut channels = Vec::with_capacity(checkpoint.channels.len());
        let mut inherited = inherited.into_iter();
        for NewChannel { name, version, value } in &checkpoint.channels {
            let value = match value {
                Some(value) => value.stored.clone(),
                None => match inherited.next() {
                    Some(value) => {
                        let NewValue { stored, object } = settled(value);
                        if let Some(object) = object {
                            self.checkpoints.settled.push(object);
                        }
                        stored
                    }
                    None => continue,
                },
            };
            channels.push((name.clone(), version.clone(), value));
        }
        self.checkpoints.put(lineage, checkpoint, channels)
    }

    pub(super) fn put_writes(
        &mut self,
        writes: &'group NewWrites,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let NewWrites { checkpoint, task, path, writes, replace } = writes;
        self.check_lease(lease, || format!("writes of task {task}"))?;
        let lineage = self.checkpoints.lineage(&checkpoint.thread, &checkpoint.namespace)?;
        self.objects.check(writes.iter().map(|write| Some(&write.value.stored)))?;
        for write in writes {
            let place = (lineage, checkpoint.id.as_str(), task.as_str(), write.position);
            if *replace || self.checkpoints.writes.get(&place).is_none() {
                let (channel, value) = (&write.channel, &write.value.stored);
                let written = Written { path, channel, value, replace: *replace };
                self.checkpoints.writes.set(place, written);
            }
        }
        Ok(())
    }

    pub(super) fn check_lease(
        &self,
        lease: Option<&Lease>,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        let Some(Lease { execution: id, token }) = lease else { return Ok(()) };
        let (_, execution) = self.executions.find(id)?;
        let live = i64::try_from(*token).is_ok_and(|token| token == execution.token);
        if live && execution.status == ExecutionStatus::Running {
            return Ok(());
        }
        Err(StoreError::Fenced { what: format!("{} of {id}", what()), token: *token })
    }
}

impl<'group> Checkpoints<'group> {
    fn put(
        &mut self,
        lineage: i64,
        checkpoint: &'group NewCheckpoint,
        channels: Vec<Channel>,
    ) -> Result<(), StoreError> {
        let key = (lineage, checkpoint.name.id.as_str());
        // One that is replaced keeps its place.
        let place = self.puts.get(&key).map_or(self.next, |put| put.place);
        self.next += 1;
        let (channels, stamp) = (Arc::new(channels), stamp()?);
        self.puts.set(key, Put { checkpoint, channels, stamp, place });
        Ok(())
    }
}

/// Returns the values that a checkpoint takes from its parent, in the order of its channels.
///
/// # Errors
///
/// The channels that the parent does not have in that version.
pub(crate) fn inherit(
    checkpoint: &NewCheckpoint,
    parent: &[Channel],
) -> Result<Vec<StoredValue>, StoreError> {
    let (mut values, mut lacking) = (Vec::new(), Vec::new());
    for wanted in checkpoint.channels.iter().filter(|channel| channel.value.is_none()) {
        let own =
            |(name, version, _): &&Channel| *name == wanted.name && *version == wanted.version;
        match parent.iter().find(own) {
            Some((_, _, value)) => values.push(value.clone()),
            None => lacking.push(wanted.name.clone()),
        }
    }
    if lacking.is_empty() {
        return Ok(values);
    }
    let what = format!("checkpoint {}", checkpoint.name.id);
    Err(StoreError::MissingChannels { what, channels: lacking })
}

/// Makes an object of a value that stays, unless it is tiny or one already.
pub(crate) fn settled(value: StoredValue) -> NewValue {
    match value {
        StoredValue::Inline { kind, bytes } => {
            NewValue::new(Value::new(&kind, bytes), INLINE_BYTES_MAX)
        }
        stored @ StoredValue::Object { .. } => NewValue { stored, object: None },
    }
}
