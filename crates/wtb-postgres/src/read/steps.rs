//! The steps of a thread: checkpoints with their bodies, and what tasks wrote to which channels.

use std::collections::HashMap;

use wtb_store::WriteOutline;

use super::Query;
use super::checkpoints::{ROWS, Row, row};
use crate::columns::Columns;
use crate::errors::Failure;
use crate::sql::Value;

/// What tasks wrote, by the lineages and ids of the checkpoints.
type Outlines = HashMap<(i64, String), Vec<WriteOutline>>;

impl Query<'_> {
    /// Lists the checkpoints of a thread in the order of insertion, each with the outlines of its
    /// writes in the order in which they are applied. The rows themselves have no writes.
    pub(crate) fn steps(&mut self, thread: &str) -> Result<Vec<(Row, Vec<WriteOutline>)>, Failure> {
        let sql = format!("{ROWS} WHERE l.thread = $1 ORDER BY c.sequence");
        let rows = self.all(&sql, &[Value::text(thread)], "a checkpoint", row)?;
        let mut writes = self.write_outlines(thread)?;
        let step = |row: Row| {
            let name = (row.lineage, row.outline.name.id.clone());
            let writes = writes.remove(&name).unwrap_or_default();
            (row, writes)
        };
        Ok(rows.into_iter().map(step).collect())
    }

    fn write_outlines(&mut self, thread: &str) -> Result<Outlines, Failure> {
        let sql = "SELECT w.lineage, w.checkpoint, w.task, w.path, w.channel \
                   FROM @.lineages l JOIN @.writes w ON w.lineage = l.key \
                   WHERE l.thread = $1 ORDER BY w.path, w.task, w.position";
        let outline = |columns: &mut Columns<'_>| {
            let name = (columns.take()?, columns.text()?);
            let (task, path) = (columns.text()?, columns.text()?);
            Ok((name, WriteOutline { task, path, channel: columns.text()? }))
        };
        let mut writes = Outlines::new();
        for (name, write) in self.all(sql, &[Value::text(thread)], "a write", outline)? {
            writes.entry(name).or_default().push(write);
        }
        Ok(writes)
    }
}
