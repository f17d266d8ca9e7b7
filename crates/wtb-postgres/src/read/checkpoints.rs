//! Checkpoints: with all that belongs to them, and as outlines.

use std::collections::HashMap;

use serde_json::Value as Json;
use wtb_model::StoredValue;
use wtb_store::codec::decode_channels;
use wtb_store::{
    CheckpointFilter, CheckpointName, CheckpointOutline, Page, StoreError, metadata_fits,
};

use super::{Filter, Query};
use crate::columns::Columns;
use crate::errors::Failure;
use crate::sql::{Value, saturated};

/// How many checkpoints are read at once; where their metadata have to be looked at, most of them in
/// vain.
pub(crate) const ROWS_AT_ONCE: u64 = 256;

pub(super) const ROWS: &str = "SELECT c.sequence, l.thread, l.namespace, c.id, c.parent, \
     c.metadata, c.body, c.channels, c.lineage \
     FROM @.lineages l JOIN @.checkpoints c ON c.lineage = l.key";

/// The condition of one namespace of a thread. By a key that is known beforehand the server goes to
/// the end of the index, whatever it knows of the tables.
const IN_NAMESPACE: &str =
    "c.lineage = (SELECT key FROM @.lineages WHERE thread = ? AND namespace = ?)";

/// Which of a namespace's checkpoints to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum One<'id> {
    /// The one with the greatest id, of those that are asked for.
    ById {
        /// Of this id.
        id: Option<&'id str>,
        /// Whose id is smaller than this.
        before: Option<&'id str>,
    },
    /// The one that was inserted last.
    Head,
}

/// A checkpoint whose values have not been read.
pub(crate) struct Row {
    pub(crate) outline: CheckpointOutline,
    pub(crate) body: StoredValue,
    pub(crate) writes: Vec<Unread>,
    pub(super) lineage: i64,
}

/// A write whose value has not been read.
pub(crate) struct Unread {
    pub(crate) task: String,
    pub(crate) channel: String,
    pub(crate) value: StoredValue,
}

/// What tasks wrote, by the lineages and ids of the checkpoints.
pub(super) type Writes = HashMap<(i64, String), Vec<Unread>>;

impl Query<'_> {
    /// Lists checkpoints by descending id.
    pub(crate) fn checkpoints(
        &mut self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<Row>, Failure> {
        if limit == 1
            && let (Some(thread), Some(namespace)) = (&filter.thread, &filter.namespace)
            && filter.metadata.is_empty()
            && filter.after.is_none()
        {
            let one = One::ById { id: filter.id.as_deref(), before: filter.before.as_deref() };
            return Ok(self.checkpoint(thread, namespace, one)?.into_iter().collect());
        }
        let mut found = Vec::new();
        let mut after = filter.after.clone();
        while saturated(found.len() as u64) < saturated(limit) {
            let wanted = limit - found.len() as u64;
            let count =
                if filter.metadata.is_empty() { wanted } else { ROWS_AT_ONCE }.min(ROWS_AT_ONCE);
            let rows = self.page_of_checkpoints(filter, after.as_ref(), count)?;
            let is_last = (rows.len() as u64) < count;
            after = rows.last().map(|row| (row.outline.name.id.clone(), row.outline.sequence));
            for row in rows {
                if found.len() as u64 == limit {
                    break;
                }
                if fits(&row.outline, &filter.metadata)? {
                    found.push(row);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// Returns one checkpoint of a namespace.
    pub(crate) fn checkpoint(
        &mut self,
        thread: &str,
        namespace: &str,
        one: One<'_>,
    ) -> Result<Option<Row>, Failure> {
        let (id, before, at_head) = match one {
            One::ById { id, before } => (id, before, false),
            One::Head => (None, None, true),
        };
        let parameters = [
            Value::text(thread),
            Value::text(namespace),
            Value::optional_text(id),
            Value::optional_text(before),
            at_head.into(),
        ];
        let sql = "SELECT * FROM @.read_checkpoint($1, $2, $3, $4, $5)";
        self.first(sql, &parameters, "a checkpoint", row_with_writes)
    }

    fn page_of_checkpoints(
        &mut self,
        filter: &CheckpointFilter,
        after: Option<&(String, u64)>,
        count: u64,
    ) -> Result<Vec<Row>, Failure> {
        let mut query = Filter::new(ROWS);
        let one = match (filter.thread.as_deref(), filter.namespace.as_deref()) {
            (Some(thread), Some(namespace)) => {
                query.and(IN_NAMESPACE, [thread, namespace].map(Value::text));
                true
            }
            (thread, namespace) => {
                query.and_text("l.thread = ?", thread);
                query.and_text("l.namespace = ?", namespace);
                false
            }
        };
        query.and_text("c.id = ?", filter.id.as_deref());
        query.and_text("c.id < ?", filter.before.as_deref());
        if let Some((id, sequence)) = after {
            let last = [Value::text(id), saturated(*sequence).into()];
            query.and("(c.id, c.sequence) < (?, ?)", last);
        }
        // Within one namespace ids are unique, and the index is in their order.
        query.ordered(if one { "c.id DESC" } else { "c.id DESC, c.sequence DESC" });
        query.page(Page::first(count));
        let sql = with_writes(&query.sql) + " ORDER BY c.id DESC, c.sequence DESC";
        self.all(&sql, &query.parameters, "a checkpoint", row_with_writes)
    }

    /// Lists the checkpoints of a thread in the order of insertion.
    pub(crate) fn outline(&mut self, thread: &str) -> Result<Vec<CheckpointOutline>, Failure> {
        let sql = format!("{ROWS} WHERE l.thread = $1 ORDER BY c.sequence");
        let outline = |columns: &mut Columns<'_>| Ok(row(columns)?.outline);
        self.all(&sql, &[Value::text(thread)], "a checkpoint", outline)
    }

    /// What was written to channels with checkpoints, in the order in which it is applied.
    pub(super) fn writes(&mut self, rows: &[Row], channels: &[&str]) -> Result<Writes, Failure> {
        if rows.is_empty() {
            return Ok(Writes::new());
        }
        let mut query = Filter::with(
            "SELECT w.lineage, w.checkpoint, w.task, w.channel, w.value \
             FROM unnest($1::bigint[], $2::text[]) AS u (lineage, checkpoint) \
             JOIN @.writes w ON w.lineage = u.lineage AND w.checkpoint = u.checkpoint",
            vec![
                Value::ints(rows.iter().map(|row| row.lineage)),
                Value::texts(rows.iter().map(|row| row.outline.name.id.as_str())),
            ],
        );
        query.and("w.channel = ANY(?)", [Value::texts(channels.iter().copied())]);
        query.ordered("w.path, w.task, w.position");
        let unread = |columns: &mut Columns<'_>| {
            let name = (columns.take()?, columns.text()?);
            let (task, channel) = (columns.text()?, columns.text()?);
            Ok((name, Unread { task, channel, value: columns.value()? }))
        };
        let mut writes = Writes::new();
        for (name, write) in self.all(&query.sql, &query.parameters, "a write", unread)? {
            writes.entry(name).or_default().push(write);
        }
        Ok(writes)
    }

    /// Returns a checkpoint and the nearest of its ancestors, at most `count` in all, from the
    /// checkpoint on.
    pub(super) fn line(
        &mut self,
        thread: &str,
        namespace: &str,
        id: &str,
        count: u64,
    ) -> Result<Vec<Row>, Failure> {
        let sql = format!(
            "WITH RECURSIVE line (sequence, lineage, parent, depth) AS (\
                 SELECT c.sequence, c.lineage, c.parent, 1 FROM @.lineages l \
                 JOIN @.checkpoints c ON c.lineage = l.key \
                 WHERE l.thread = $1 AND l.namespace = $2 AND c.id = $3 \
                 UNION ALL \
                 SELECT c.sequence, c.lineage, c.parent, a.depth + 1 FROM line a \
                 JOIN @.checkpoints c ON c.lineage = a.lineage AND c.id = a.parent \
                 WHERE a.depth < $4\
             ) {ROWS} JOIN line a ON a.sequence = c.sequence ORDER BY a.depth"
        );
        let parameters =
            [Value::text(thread), Value::text(namespace), Value::text(id), saturated(count).into()];
        self.all(&sql, &parameters, "a checkpoint", row)
    }
}

/// Makes a statement for checkpoints one for their writes as well, in the order in which they are
/// applied: one journey to the server, and one view of the store.
fn with_writes(rows: &str) -> String {
    format!(
        "SELECT c.*, w.tasks, w.channels, w.contents \
         FROM ({rows}) AS c CROSS JOIN LATERAL (\
             SELECT array_agg(o.task) AS tasks, array_agg(o.channel) AS channels, \
             array_agg(o.value) AS contents FROM (\
                 SELECT w.task, w.channel, w.value FROM @.writes w \
                 WHERE w.lineage = c.lineage AND w.checkpoint = c.id \
                 ORDER BY w.path, w.task, w.position\
             ) AS o\
         ) AS w"
    )
}

fn fits(outline: &CheckpointOutline, wanted: &[(String, Json)]) -> Result<bool, StoreError> {
    if wanted.is_empty() {
        return Ok(true);
    }
    let metadata: Json =
        serde_json::from_str(&outline.metadata).map_err(|error| StoreError::Unreadable {
            what: format!("the metadata of checkpoint {}", outline.name.id),
            reason: error.to_string(),
        })?;
    Ok(metadata_fits(&metadata, wanted))
}

pub(super) fn row(columns: &mut Columns<'_>) -> Result<Row, StoreError> {
    let sequence = columns.number()?;
    let (thread, namespace, id) = (columns.text()?, columns.text()?, columns.text()?);
    let name = CheckpointName { thread, namespace, id };
    let (parent, metadata) = (columns.optional_text()?, columns.text()?);
    let body = columns.value()?;
    let (channels, snapshot) = columns.decoded(decode_channels)?;
    let channels = channels.into_iter().map(|(name, _, value)| (name, value)).collect();
    let outline = CheckpointOutline { name, sequence, parent, metadata, channels, snapshot };
    Ok(Row { outline, body, writes: Vec::new(), lineage: columns.take()? })
}

fn row_with_writes(columns: &mut Columns<'_>) -> Result<Row, StoreError> {
    let mut row = row(columns)?;
    let (tasks, channels) = (columns.texts()?, columns.texts()?);
    let unread = |((task, channel), value)| Unread { task, channel, value };
    row.writes = tasks.into_iter().zip(channels).zip(columns.values()?).map(unread).collect();
    Ok(row)
}
