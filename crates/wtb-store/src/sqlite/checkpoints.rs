//! Checkpoints of the embedded store: rows from the readers, values from what is remembered or read.

use bytes::Bytes;
use wtb_model::{StoredValue, Value};

use super::collect::collect;
use super::connection::open_collector;
use super::read::{CheckpointRow, Query, Unread};
use super::store::SqliteStore;
use crate::StoreError;
use crate::checkpoint::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, CheckpointRecord,
    CheckpointStep, Checkpoints, Collected, PendingWrite,
};
use crate::object::{NewValue, missing};
use crate::recent::Slot;

impl Checkpoints for SqliteStore {
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
        self.writing.settle();
        self.readers.read(|query| {
            let found = query.checkpoint(thread, namespace, id)?;
            found.map(|row| self.record(query, row)).transpose()
        })
    }

    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| {
            let found = query.head(thread, namespace)?;
            found.map(|row| self.record(query, row)).transpose()
        })
    }

    fn checkpoints(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| {
            let found = query.checkpoints(filter, limit)?;
            found.into_iter().map(|row| self.record(query, row)).collect()
        })
    }

    fn outline(&self, thread: &str) -> Result<Vec<CheckpointOutline>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| query.outline(thread))
    }

    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| {
            let step = |(row, writes): (CheckpointRow, _)| {
                Ok(CheckpointStep {
                    body: self.value_in(query, &row.body)?,
                    outline: row.outline,
                    writes,
                })
            };
            query.steps(thread)?.into_iter().map(step).collect()
        })
    }

    fn channel_history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        self.writing.settle();
        self.readers.read(|query| {
            query.channel_history(name, channels, &|stored| self.value_in(query, stored))
        })
    }

    fn collect(&self) -> Result<Collected, StoreError> {
        self.writing.settle();
        let collected = open_collector(&self.address)
            .and_then(|mut connection| collect(&mut connection, &self.outside));
        collected.map_err(|error| error.at_store(&self.address.url))
    }

    fn collect_if_due(&self) -> Result<(), StoreError> {
        // Who deletes on a machine without the directory leaves the rest to others.
        if self.outside.path().is_ok() && self.readers.read(Query::is_collection_due)? {
            self.collect()?;
        }
        Ok(())
    }
}

impl SqliteStore {
    /// Reads the values of a checkpoint.
    fn record(&self, query: &Query, row: CheckpointRow) -> Result<CheckpointRecord, StoreError> {
        let CheckpointOutline { name, sequence, parent, metadata, channels, snapshot } =
            row.outline;
        let mut slot = Slot {
            thread: name.thread.clone(),
            namespace: name.namespace.clone(),
            channel: String::new(),
        };
        let mut values = Vec::with_capacity(channels.len());
        for (channel, stored) in channels {
            slot.channel.clone_from(&channel);
            values.push((channel, self.value_of_slot(query, &slot, &stored)?));
        }
        let pending = |write: Unread| {
            let value = self.value_in(query, &write.value)?;
            Ok(PendingWrite { task: write.task, channel: write.channel, value })
        };
        let writes: Result<Vec<_>, StoreError> = row.writes.into_iter().map(pending).collect();
        let body = self.value_in(query, &row.body)?;
        Ok(CheckpointRecord {
            name,
            sequence,
            parent,
            metadata,
            body,
            channels: values,
            snapshot,
            writes: writes?,
        })
    }

    fn value_of_slot(
        &self,
        query: &Query,
        slot: &Slot,
        stored: &StoredValue,
    ) -> Result<Value, StoreError> {
        let StoredValue::Object { kind, hash, .. } = stored else {
            return self.value_in(query, stored);
        };
        if let Some(bytes) = self.recent.bytes(slot, *hash) {
            return Ok(Value::new(kind, bytes));
        }
        let (bytes, pieces) =
            query.object_in_pieces(&self.outside, *hash)?.ok_or_else(|| missing(*hash))?;
        let bytes = Bytes::from(bytes);
        self.recent.remember(slot.clone(), *hash, bytes.clone(), pieces);
        Ok(Value::new(kind, bytes))
    }

    fn value_in(&self, query: &Query, stored: &StoredValue) -> Result<Value, StoreError> {
        match stored {
            StoredValue::Inline { kind, bytes } => Ok(Value::new(kind, bytes.clone())),
            StoredValue::Object { kind, hash, .. } => {
                let bytes = query.object(&self.outside, *hash)?.ok_or_else(|| missing(*hash))?;
                Ok(Value::new(kind, bytes))
            }
        }
    }
}
