//! Checkpoints: with all that belongs to them, as outlines, and the histories of their channels.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use rusqlite::types::Value as Parameter;
use serde_json::Value as Json;
use wtb_model::{StoredValue, Value};

use super::{Filter, Query, integer};
use crate::checkpoint::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, PendingWrite,
};
use crate::codec::decode_channels;
use crate::sqlite::collect;
use crate::sqlite::columns::Columns;
use crate::sqlite::errors::While;
use crate::{Page, StoreError, metadata_fits};

pub(super) const ROWS: &str = "SELECT c.sequence, l.thread, l.namespace, c.id, c.parent, \
     c.metadata, c.body, c.channels, c.lineage \
     FROM lineages l JOIN checkpoints c ON c.lineage = l.key";

/// A checkpoint whose values have not been read.
pub(in crate::sqlite) struct Row {
    pub(in crate::sqlite) outline: CheckpointOutline,
    pub(in crate::sqlite) body: StoredValue,
    pub(in crate::sqlite) writes: Vec<Unread>,
    pub(super) lineage: i64,
}

/// A write whose value has not been read.
#[derive(Clone)]
pub(in crate::sqlite) struct Unread {
    pub(in crate::sqlite) task: String,
    pub(in crate::sqlite) channel: String,
    pub(in crate::sqlite) value: StoredValue,
}

impl Query {
    /// Returns the checkpoint of that id, or that with the greatest one.
    pub(in crate::sqlite) fn checkpoint(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<Row>, StoreError> {
        let filter = CheckpointFilter {
            thread: Some(thread.to_owned()),
            namespace: Some(namespace.to_owned()),
            id: id.map(str::to_owned),
            ..CheckpointFilter::default()
        };
        Ok(self.checkpoints(&filter, 1)?.pop())
    }

    /// Returns the checkpoint that was inserted last.
    pub(in crate::sqlite) fn head(
        &self,
        thread: &str,
        namespace: &str,
    ) -> Result<Option<Row>, StoreError> {
        // The greatest number in the index of the one lineage. The plus keeps SQLite from looking for
        // it at the end of all checkpoints instead, where those of others may be.
        let sql = format!(
            "{ROWS} WHERE c.sequence = (SELECT MAX(+m.sequence) FROM checkpoints m \
             WHERE m.lineage = (SELECT key FROM lineages WHERE thread = ? AND namespace = ?))"
        );
        let mut found = self.first(&sql, &[text(thread), text(namespace)], "a checkpoint", row)?;
        if let Some(row) = &mut found {
            row.writes = self.writes(row.lineage, &row.outline.name.id, None)?;
        }
        Ok(found)
    }

    /// Lists checkpoints by descending id.
    pub(in crate::sqlite) fn checkpoints(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<Row>, StoreError> {
        let mut query = Filter::new(ROWS);
        match (filter.thread.as_deref(), filter.namespace.as_deref()) {
            (Some(thread), Some(namespace)) => {
                query.and("l.thread = ? AND l.namespace = ?", [text(thread), text(namespace)]);
            }
            (thread, namespace) => {
                query.and_text("l.thread = ?", thread);
                query.and_text("l.namespace = ?", namespace);
            }
        }
        query.and_text("c.id = ?", filter.id.as_deref());
        query.and_text("c.id < ?", filter.before.as_deref());
        if let Some((id, sequence)) = &filter.after {
            query.and("(c.id, c.sequence) < (?, ?)", [text(id), integer(*sequence)]);
        }
        // Within one namespace ids are unique, and the index is in their order.
        let one = filter.thread.is_some() && filter.namespace.is_some();
        query.ordered(if one { "c.id DESC" } else { "c.id DESC, c.sequence DESC" });
        let page = Page::first(limit);
        let fits = |columns: &mut Columns<'_>| fitting(columns, &filter.metadata);
        if filter.metadata.is_empty() {
            query.page(page);
        }
        let mut found = self.some(&query.sql, &query.parameters, "a checkpoint", fits, page)?;
        for row in &mut found {
            row.writes = self.writes(row.lineage, &row.outline.name.id, None)?;
        }
        Ok(found)
    }

    /// Lists the checkpoints of a thread in the order of insertion.
    pub(in crate::sqlite) fn outline(
        &self,
        thread: &str,
    ) -> Result<Vec<CheckpointOutline>, StoreError> {
        outline(&self.connection, thread)
    }

    /// Returns what the ancestors of a checkpoint wrote to channels, and the values to begin with.
    pub(in crate::sqlite) fn channel_history(
        &self,
        name: &CheckpointName,
        channels: &[String],
        value: &dyn Fn(&StoredValue) -> Result<Value, StoreError>,
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        let mut found: HashMap<&str, ChannelHistory> =
            channels.iter().map(|channel| (channel.as_str(), ChannelHistory::default())).collect();
        let mut open: Vec<&str> = channels.iter().map(String::as_str).collect();
        let id = Some(name.id.as_str()).filter(|id| !id.is_empty());
        let mut current = self.ancestor(&name.thread, &name.namespace, id)?;
        current = match current {
            Some(row) => self.parent(&row)?,
            None => None,
        };
        let mut passed = HashSet::new();
        while let Some(row) = current {
            // Parents may be a circle: nothing but their savers' good sense prevents it.
            if open.is_empty() || !passed.insert(row.outline.sequence) {
                break;
            }
            let writes = self.writes(row.lineage, &row.outline.name.id, Some(&open))?;
            for write in writes.into_iter().rev() {
                if let Some(history) = found.get_mut(write.channel.as_str()) {
                    let value = value(&write.value)?;
                    let Unread { task, channel, .. } = write;
                    history.writes.push(PendingWrite { task, channel, value });
                }
            }
            for (channel, stored) in &row.outline.channels {
                if let Some(at) = open.iter().position(|name| name == channel) {
                    open.swap_remove(at);
                    if let Some(history) = found.get_mut(channel.as_str()) {
                        history.seed = Some(value(stored)?);
                    }
                }
            }
            current = self.parent(&row)?;
        }
        let mut take = |channel: &String| {
            let mut history = found.remove(channel.as_str()).unwrap_or_default();
            history.writes.reverse();
            history
        };
        Ok(channels.iter().map(&mut take).collect())
    }

    /// Whether enough has been deleted to collect objects.
    pub(in crate::sqlite) fn is_collection_due(&self) -> Result<bool, StoreError> {
        collect::is_due(&self.connection)
    }

    fn ancestor(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<Row>, StoreError> {
        let mut query = Filter::new(ROWS);
        query.and("l.thread = ? AND l.namespace = ?", [text(thread), text(namespace)]);
        query.and_text("c.id = ?", id);
        query.ordered("c.id DESC LIMIT 1");
        self.first(&query.sql, &query.parameters, "a checkpoint", row)
    }

    fn parent(&self, child: &Row) -> Result<Option<Row>, StoreError> {
        let Some(parent) = &child.outline.parent else { return Ok(None) };
        let CheckpointName { thread, namespace, .. } = &child.outline.name;
        self.ancestor(thread, namespace, Some(parent))
    }

    /// The writes stored with a checkpoint, in the order in which they are applied.
    fn writes(
        &self,
        lineage: i64,
        checkpoint: &str,
        channels: Option<&[&str]>,
    ) -> Result<Vec<Unread>, StoreError> {
        let sql = "SELECT task, channel, value FROM writes \
                   WHERE lineage = ? AND checkpoint = ? ORDER BY path, task, position";
        let parameters = [Parameter::Integer(lineage), text(checkpoint)];
        let unread = |columns: &mut Columns<'_>| {
            let (task, channel): (String, String) = (columns.take()?, columns.take()?);
            if channels.is_some_and(|wanted| !wanted.contains(&channel.as_str())) {
                return Ok(None);
            }
            Ok(Some(Unread { task, channel, value: columns.value()? }))
        };
        self.some(sql, &parameters, "what a task wrote", unread, Page::ALL)
    }
}

/// Lists the checkpoints of a thread in the order of insertion, on any connection.
pub(in crate::sqlite) fn outline(
    connection: &Connection,
    thread: &str,
) -> Result<Vec<CheckpointOutline>, StoreError> {
    let doing = "reading the checkpoints of a thread";
    let sql = format!("{ROWS} WHERE l.thread = ?1 ORDER BY c.sequence");
    let mut statement = connection.prepare_cached(&sql).while_(doing)?;
    let mut rows = statement.query([thread]).while_(doing)?;
    let mut found = Vec::new();
    while let Some(one) = rows.next().while_(doing)? {
        found.push(row(&mut Columns::new(one, "a checkpoint"))?.outline);
    }
    Ok(found)
}

fn fitting(
    columns: &mut Columns<'_>,
    wanted: &[(String, Json)],
) -> Result<Option<Row>, StoreError> {
    let row = row(columns)?;
    if wanted.is_empty() {
        return Ok(Some(row));
    }
    let metadata: Json =
        serde_json::from_str(&row.outline.metadata).map_err(|error| StoreError::Unreadable {
            what: format!("the metadata of checkpoint {}", row.outline.name.id),
            reason: error.to_string(),
        })?;
    Ok(metadata_fits(&metadata, wanted).then_some(row))
}

pub(super) fn row(columns: &mut Columns<'_>) -> Result<Row, StoreError> {
    let sequence = columns.take()?;
    let name =
        CheckpointName { thread: columns.take()?, namespace: columns.take()?, id: columns.take()? };
    let (parent, metadata) = (columns.take()?, columns.take()?);
    let body = columns.value()?;
    let (channels, snapshot) = columns.decoded(decode_channels)?;
    let channels = channels.into_iter().map(|(name, _, value)| (name, value)).collect();
    let outline = CheckpointOutline { name, sequence, parent, metadata, channels, snapshot };
    Ok(Row { outline, body, writes: Vec::new(), lineage: columns.take()? })
}

pub(super) fn text(text: &str) -> Parameter {
    Parameter::Text(text.to_owned())
}
