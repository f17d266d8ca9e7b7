//! The rows of checkpoints and writes as they are read and written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wtb_model::StoredValue;
use wtb_store::StoreError;
use wtb_store::codec::{decode_channels, encode_channels, encode_value};

use super::checkpoints::{Name, Place, Put, Written};
use super::parents::Channels;
use crate::bulk::{Kind, Table};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::Value;
use crate::text;

const CHECKPOINTS: Table<8> = Table {
    name: "checkpoints",
    what: "a checkpoint",
    columns: [
        ("lineage", Kind::Int),
        ("id", Kind::Text),
        ("parent", Kind::Text),
        ("run", Kind::Text),
        ("stamp", Kind::Int),
        ("metadata", Kind::Text),
        ("body", Kind::Bytes),
        ("channels", Kind::Bytes),
    ],
};

const REPLACED_CHECKPOINT: &str = "ON CONFLICT (lineage, id) DO UPDATE SET \
    parent = excluded.parent, run = excluded.run, stamp = excluded.stamp, \
    metadata = excluded.metadata, body = excluded.body, channels = excluded.channels";

const WRITES: Table<7> = Table {
    name: "writes",
    what: "what a task wrote",
    columns: [
        ("lineage", Kind::Int),
        ("checkpoint", Kind::Text),
        ("task", Kind::Text),
        ("position", Kind::Int),
        ("path", Kind::Text),
        ("channel", Kind::Text),
        ("value", Kind::Bytes),
    ],
};

const REPLACED_WRITE: &str = "ON CONFLICT (lineage, checkpoint, task, position) DO UPDATE SET \
    path = excluded.path, channel = excluded.channel, value = excluded.value";

/// The keys of namespaces, by thread.
pub(super) type Lineages = HashMap<String, HashMap<String, i64>>;

/// Returns the keys of threads' namespaces; those that are new are made.
pub(super) fn load_lineages(
    connection: &mut Connection,
    wanted: &BTreeSet<(&str, &str)>,
) -> Result<Lineages, Failure> {
    let mut lineages = Lineages::new();
    if wanted.is_empty() {
        return Ok(lineages);
    }
    let rows = connection.query(
        "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) AS u (thread, namespace)), \
         made AS (INSERT INTO @.lineages (thread, namespace) SELECT thread, namespace FROM wanted w \
         WHERE NOT EXISTS (SELECT 1 FROM @.lineages l \
         WHERE l.thread = w.thread AND l.namespace = w.namespace) \
         RETURNING key, thread, namespace) \
         SELECT key, thread, namespace FROM made UNION ALL \
         SELECT l.key, l.thread, l.namespace FROM wanted w JOIN @.lineages l \
         ON l.thread = w.thread AND l.namespace = w.namespace",
        &[
            Value::texts(wanted.iter().map(|(thread, _)| *thread)),
            Value::texts(wanted.iter().map(|(_, namespace)| *namespace)),
        ],
        "looking threads up",
    )?;
    for row in &rows {
        let (thread, namespace) = (text::read(get(row, 1)?), text::read(get(row, 2)?));
        lineages.entry(thread).or_default().insert(namespace, get(row, 0)?);
    }
    Ok(lineages)
}

/// Reads the channels of checkpoints.
pub(super) fn load_parents(
    connection: &mut Connection,
    names: &BTreeSet<(i64, &str)>,
) -> Result<BTreeMap<(i64, String), Channels>, Failure> {
    let mut parents = BTreeMap::new();
    if names.is_empty() {
        return Ok(parents);
    }
    let rows = connection.query(
        "SELECT c.lineage, c.id, c.channels FROM unnest($1::bigint[], $2::text[]) \
         AS u (lineage, id) JOIN @.checkpoints c ON c.lineage = u.lineage AND c.id = u.id",
        &[
            Value::ints(names.iter().map(|(lineage, _)| *lineage)),
            Value::texts(names.iter().map(|(_, id)| *id)),
        ],
        "reading the parents of checkpoints",
    )?;
    for row in &rows {
        let (channels, _) = decode_channels(get(row, 2)?).map_err(|reason| {
            StoreError::Unreadable { what: "the parent of a checkpoint".to_owned(), reason }
        })?;
        parents.insert((get(row, 0)?, text::read(get(row, 1)?)), Arc::new(channels));
    }
    Ok(parents)
}

/// Writes checkpoints in the order in which they were put.
pub(super) fn flush_checkpoints<'rows, 'group: 'rows>(
    connection: &mut Connection,
    puts: impl Iterator<Item = (&'rows Name<'group>, &'rows Put<'group>)>,
) -> Result<(), Failure> {
    let mut puts: Vec<_> = puts.collect();
    puts.sort_unstable_by_key(|(_, put)| put.place);
    let rows = puts.into_iter().map(|((lineage, id), put)| {
        let Put { checkpoint, channels, .. } = put;
        Ok([
            (*lineage).into(),
            Value::text(id),
            Value::optional_text(checkpoint.parent.as_deref()),
            Value::optional_text(checkpoint.run.as_deref()),
            put.stamp.into(),
            Value::text(&checkpoint.metadata),
            Value::Bytes(Some(encode_value(&checkpoint.body.stored))),
            Value::Bytes(Some(encoded(channels, checkpoint.snapshot.as_ref()))),
        ])
    });
    CHECKPOINTS.insert(connection, rows, REPLACED_CHECKPOINT)
}

/// Writes what tasks wrote.
pub(super) fn flush_writes<'rows, 'group: 'rows>(
    connection: &mut Connection,
    writes: &(impl Iterator<Item = (&'rows Place<'group>, &'rows Written<'group>)> + Clone),
) -> Result<(), Failure> {
    for (replace, then) in [(false, "ON CONFLICT DO NOTHING"), (true, REPLACED_WRITE)] {
        let rows = writes.clone().filter(|(_, written)| written.replace == replace);
        let rows = rows.map(|((lineage, checkpoint, task, position), written)| {
            Ok([
                (*lineage).into(),
                Value::text(checkpoint),
                Value::text(task),
                (*position).into(),
                Value::text(written.path),
                Value::text(written.channel),
                Value::Bytes(Some(encode_value(written.value))),
            ])
        });
        WRITES.insert(connection, rows, then)?;
    }
    Ok(())
}

/// Encodes the channels of a checkpoint, and its snapshot.
pub(super) fn encoded(channels: &Channels, snapshot: Option<&StoredValue>) -> Vec<u8> {
    let parts =
        channels.iter().map(|(name, version, value)| (name.as_str(), version.as_str(), value));
    encode_channels(parts, snapshot)
}

/// A number that no other content of a checkpoint has.
pub(super) fn stamp() -> Result<i64, StoreError> {
    getrandom::u64().map(u64::cast_signed).map_err(|error| StoreError::Backend {
        doing: "writing a checkpoint".to_owned(),
        reason: format!("the operating system gave no randomness: {error}"),
    })
}
