//! Checkpoints and the writes of tasks, as they are put.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::{ExecutionStatus, StoredValue, Value};

use super::{Named, Transaction};
use crate::StoreError;
use crate::checkpoint::{CheckpointName, Lease, NewChannel, NewCheckpoint, NewWrites};
use crate::codec::{Channel, decode_channels, encode_channels, encode_value};
use crate::object::{INLINE_BYTES_MAX, NewValue};
use crate::sqlite::errors::While;

impl Transaction<'_> {
    pub(super) fn put_checkpoint(
        &mut self,
        checkpoint: &NewCheckpoint,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let NewCheckpoint { name, parent, run, metadata, body, channels, snapshot } = checkpoint;
        self.check_lease(lease, || format!("checkpoint {}", name.id))?;
        let lineage = self.lineage(&name.thread, &name.namespace)?;
        let mut inherited = self.inherited(lineage, checkpoint)?;
        for (_, _, value) in &mut inherited {
            self.settle_value(value)?;
        }
        self.check_objects([snapshot.as_ref()])?;
        let body = self.write_value(body)?;
        let mut kept: Vec<(&str, &str, &StoredValue)> = Vec::with_capacity(channels.len());
        for channel in channels {
            let value = match &channel.value {
                Some(value) => self.write_value(value)?,
                None => own(&inherited, channel)?,
            };
            kept.push((&channel.name, &channel.version, value));
        }
        self.change(
            "INSERT INTO checkpoints (lineage, id, parent, run, metadata, body, channels) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (lineage, id) DO UPDATE SET parent = excluded.parent, run = excluded.run, \
             metadata = excluded.metadata, body = excluded.body, channels = excluded.channels",
            params![
                lineage,
                name.id,
                parent,
                run,
                metadata,
                encode_value(body),
                encode_channels(kept, snapshot.as_ref())
            ],
            "writing a checkpoint",
        )
        .map(drop)
    }

    pub(super) fn put_writes(
        &mut self,
        writes: &NewWrites,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let NewWrites { checkpoint, task, path, writes, replace } = writes;
        self.check_lease(lease, || format!("writes of task {task}"))?;
        let lineage = self.lineage(&checkpoint.thread, &checkpoint.namespace)?;
        let sql = if *replace {
            "INSERT OR REPLACE INTO writes \
             (lineage, checkpoint, task, position, path, channel, value) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        } else {
            "INSERT OR IGNORE INTO writes \
             (lineage, checkpoint, task, position, path, channel, value) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        };
        for write in writes {
            let value = encode_value(self.write_value(&write.value)?);
            self.change(
                sql,
                params![lineage, checkpoint.id, task, write.position, path, write.channel, value],
                "writing what a task wrote",
            )?;
        }
        Ok(())
    }

    /// Writes the object of a value, or checks that it is there, and returns what names it.
    fn write_value<'value>(
        &mut self,
        value: &'value NewValue,
    ) -> Result<&'value StoredValue, StoreError> {
        match &value.object {
            Some(object) => drop(self.write_object(object, Named::Now)?),
            None => self.check_objects([Some(&value.stored)])?,
        }
        Ok(&value.stored)
    }

    /// Makes an object of a value that stays, unless it is tiny.
    fn settle_value(&mut self, value: &mut StoredValue) -> Result<(), StoreError> {
        let StoredValue::Inline { kind, bytes } = value else { return Ok(()) };
        let lasting = NewValue::new(
            Value::new(std::mem::take(kind), std::mem::take(bytes)),
            INLINE_BYTES_MAX,
        );
        *value = self.write_value(&lasting)?.clone();
        Ok(())
    }

    /// Returns the channels of the parent, if any channel is to be taken from it.
    fn inherited(
        &self,
        lineage: i64,
        checkpoint: &NewCheckpoint,
    ) -> Result<Vec<Channel>, StoreError> {
        let missing: Vec<&NewChannel> =
            checkpoint.channels.iter().filter(|channel| channel.value.is_none()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT channels FROM checkpoints WHERE lineage = ?1 AND id = ?2";
        let found: Option<Vec<u8>> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let parameters = params![lineage, checkpoint.parent];
                statement.query_row(parameters, |row| row.get(0)).optional()
            })
            .while_("reading the parent of a checkpoint")?;
        let decoded = found.map_or_else(|| Ok(Default::default()), |held| decode_channels(&held));
        let (channels, _) = decoded.map_err(|reason| StoreError::Unreadable {
            what: "the parent of a checkpoint".to_owned(),
            reason,
        })?;
        let lacks = |channel: &&NewChannel| own(&channels, channel).is_err();
        let lacking: Vec<_> =
            missing.iter().copied().filter(lacks).map(|channel| channel.name.clone()).collect();
        if lacking.is_empty() {
            let taken = |(name, ..): &Channel| missing.iter().any(|channel| channel.name == *name);
            return Ok(channels.into_iter().filter(taken).collect());
        }
        Err(missing_channels(&checkpoint.name, lacking))
    }

    pub(super) fn check_lease(
        &self,
        lease: Option<&Lease>,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        let Some(Lease { execution, token }) = lease else { return Ok(()) };
        let live = self.live(execution)?;
        if live.is_under(ExecutionStatus::Running, *token) {
            return Ok(());
        }
        Err(StoreError::Fenced { what: format!("{} of {execution}", what()), token: *token })
    }

    /// Returns the key of a thread's namespace, which is made if it is new.
    fn lineage(&self, thread: &str, namespace: &str) -> Result<i64, StoreError> {
        let sql = "SELECT key FROM lineages WHERE thread = ?1 AND namespace = ?2";
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row([thread, namespace], |row| row.get(0)).optional()
            })
            .while_("looking a thread up")?;
        if let Some(key) = found {
            return Ok(key);
        }
        let sql = "INSERT INTO lineages (thread, namespace) VALUES (?1, ?2)";
        self.change(sql, [thread, namespace], "opening a thread")?;
        Ok(self.connection.last_insert_rowid())
    }
}

/// Returns the value that a channel takes from its parent.
fn own<'parent>(
    channels: &'parent [Channel],
    wanted: &NewChannel,
) -> Result<&'parent StoredValue, StoreError> {
    let found = channels
        .iter()
        .find(|(name, version, _)| *name == wanted.name && *version == wanted.version);
    found.map(|(_, _, value)| value).ok_or_else(|| StoreError::MissingChannels {
        what: "a checkpoint".to_owned(),
        channels: vec![wanted.name.clone()],
    })
}

fn missing_channels(name: &CheckpointName, channels: Vec<String>) -> StoreError {
    StoreError::MissingChannels { what: format!("checkpoint {}", name.id), channels }
}
