//! Checkpoints of the store: rows from the readers, values from what is remembered or read.
//!
//! A value that the store remembers is not read again; all others of a reading are read by one
//! query, and the pieces of those that are ropes by another.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use wtb_model::{StoredValue, Value};
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, CheckpointRecord,
    CheckpointStep, Checkpoints, Collected, Hash, NewValue, PendingWrite, Slot, StoreError,
    missing,
};

use crate::collect::collect;
use crate::errors::Failure;
use crate::read::{CheckpointRow, InPieces, One, Query, ROWS_AT_ONCE, Unread};
use crate::store::PostgresStore;

impl Checkpoints for PostgresStore {
    fn pack(&self, slot: &Slot, value: Value) -> NewValue {
        self.recent.pack(slot, value)
    }

    fn forget_packed(&self) {
        self.recent.clear();
    }

    fn checkpoint(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        let filter = CheckpointFilter {
            thread: Some(thread.to_owned()),
            namespace: Some(namespace.to_owned()),
            id: id.map(str::to_owned),
            ..CheckpointFilter::default()
        };
        Ok(self.checkpoints(&filter, 1)?.pop())
    }

    fn checkpoints(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.writing.settle();
        let ask = |query: &mut Query<'_>| {
            let rows = query.checkpoints(filter, limit)?;
            self.records(query, rows)
        };
        if limit <= ROWS_AT_ONCE && filter.metadata.is_empty() {
            self.readers.glance(ask)
        } else {
            self.readers.view(ask)
        }
    }

    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        self.writing.settle();
        self.readers.glance(|query| {
            let head = query.checkpoint(thread, namespace, One::Head)?;
            Ok(self.records(query, head.into_iter().collect())?.pop())
        })
    }

    fn outline(&self, thread: &str) -> Result<Vec<CheckpointOutline>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| query.outline(thread))
    }

    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        self.writing.settle();
        self.readers.view(|query| {
            let steps = query.steps(thread)?;
            let mut values = Values::new(self);
            for (row, _) in &steps {
                values.want(&row.body);
            }
            values.read(query)?;
            let step = |(row, writes): (CheckpointRow, _)| {
                Ok(CheckpointStep { body: values.value(&row.body)?, outline: row.outline, writes })
            };
            Ok(steps.into_iter().map(step).collect::<Result<_, StoreError>>()?)
        })
    }

    fn channel_history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        self.writing.settle();
        self.readers.view(|query| {
            let found = query.histories(name, channels)?;
            let mut values = Values::new(self);
            for history in found.values() {
                history.seed.iter().for_each(|seed| values.want(seed));
                history.writes.iter().for_each(|write| values.want(&write.value));
            }
            values.read(query)?;
            let history = |channel: &String| {
                let Some(history) = found.get(channel.as_str()) else {
                    return Ok(ChannelHistory::default());
                };
                let seed = history.seed.as_ref().map(|seed| values.value(seed)).transpose()?;
                let writes = history.writes.iter().rev().map(|write| values.pending(write));
                Ok(ChannelHistory { seed, writes: writes.collect::<Result<_, _>>()? })
            };
            channels.iter().map(history).collect()
        })
    }

    fn collect(&self) -> Result<Collected, StoreError> {
        self.writing.settle();
        self.readers.work(|connection| collect(connection, &self.outside))
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "it holds for one lifetime alone"
    )]
    fn collect_if_due(&self) -> Result<(), StoreError> {
        self.writing.settle();
        // Who deletes on a machine without the directory leaves the rest to others.
        if self.outside.path().is_ok() && self.readers.read(|query| query.is_collection_due())? {
            self.collect()?;
        }
        Ok(())
    }
}

impl PostgresStore {
    /// Reads the values of checkpoints.
    fn records(
        &self,
        query: &mut Query<'_>,
        rows: Vec<CheckpointRow>,
    ) -> Result<Vec<CheckpointRecord>, Failure> {
        let mut values = Values::new(self);
        for row in &rows {
            values.want_row(row);
        }
        values.read(query)?;
        Ok(rows.into_iter().map(|row| values.record(row)).collect::<Result<_, _>>()?)
    }
}

/// The values of a reading.
struct Values<'store> {
    store: &'store PostgresStore,
    wanted: BTreeSet<Hash>,
    /// Those that are remembered.
    known: HashMap<(Slot, Hash), Bytes>,
    found: HashMap<Hash, InPieces>,
}

impl<'store> Values<'store> {
    fn new(store: &'store PostgresStore) -> Self {
        let (wanted, known, found) = (BTreeSet::new(), HashMap::new(), HashMap::new());
        Self { store, wanted, known, found }
    }

    fn want(&mut self, stored: &StoredValue) {
        if let StoredValue::Object { hash, .. } = stored {
            self.wanted.insert(*hash);
        }
    }

    fn want_row(&mut self, row: &CheckpointRow) {
        self.want(&row.body);
        row.writes.iter().for_each(|write| self.want(&write.value));
        for (channel, stored) in &row.outline.channels {
            let StoredValue::Object { hash, .. } = stored else { continue };
            let slot = slot(&row.outline.name, channel);
            match self.store.recent.bytes(&slot, *hash) {
                Some(bytes) => drop(self.known.insert((slot, *hash), bytes)),
                None => drop(self.wanted.insert(*hash)),
            }
        }
    }

    fn read(&mut self, query: &mut Query<'_>) -> Result<(), Failure> {
        self.found = query.objects(&self.store.outside, &self.wanted)?;
        Ok(())
    }

    fn value(&self, stored: &StoredValue) -> Result<Value, StoreError> {
        match stored {
            StoredValue::Inline { kind, bytes } => Ok(Value::new(kind, bytes.clone())),
            StoredValue::Object { kind, hash, .. } => {
                let (bytes, _) = self.found.get(hash).ok_or_else(|| missing(*hash))?;
                Ok(Value::new(kind, bytes.clone()))
            }
        }
    }

    /// Returns the value of a channel, and has it remembered.
    fn of_channel(
        &self,
        name: &CheckpointName,
        channel: &str,
        stored: &StoredValue,
    ) -> Result<Value, StoreError> {
        let StoredValue::Object { kind, hash, .. } = stored else { return self.value(stored) };
        let slot = slot(name, channel);
        let known = (slot, *hash);
        if let Some(bytes) = self.known.get(&known) {
            return Ok(Value::new(kind, bytes.clone()));
        }
        let (bytes, pieces) = self.found.get(hash).ok_or_else(|| missing(*hash))?;
        self.store.recent.remember(known.0, *hash, bytes.clone(), pieces.clone());
        Ok(Value::new(kind, bytes.clone()))
    }

    fn pending(&self, write: &Unread) -> Result<PendingWrite, StoreError> {
        let (task, channel) = (write.task.clone(), write.channel.clone());
        Ok(PendingWrite { task, channel, value: self.value(&write.value)? })
    }

    fn record(&self, row: CheckpointRow) -> Result<CheckpointRecord, StoreError> {
        let CheckpointOutline { name, sequence, parent, metadata, channels, snapshot } =
            row.outline;
        let mut values = Vec::with_capacity(channels.len());
        for (channel, stored) in channels {
            let value = self.of_channel(&name, &channel, &stored)?;
            values.push((channel, value));
        }
        let writes = row.writes.iter().map(|write| self.pending(write));
        let writes = writes.collect::<Result<_, _>>()?;
        let body = self.value(&row.body)?;
        let channels = values;
        Ok(CheckpointRecord { name, sequence, parent, metadata, body, channels, snapshot, writes })
    }
}

fn slot(name: &CheckpointName, channel: &str) -> Slot {
    let (thread, namespace) = (name.thread.clone(), name.namespace.clone());
    Slot { thread, namespace, channel: channel.to_owned() }
}
